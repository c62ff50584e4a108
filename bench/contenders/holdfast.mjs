import { acquire, tryAcquire } from '../../dist/index.js'

export default function (path) {
  return {
    async cycle() {
      const hold = await acquire(path)
      hold.release()
    },
    async lane(turns) {
      for (let turn = 0; turn < turns; turn++) {
        const hold = await acquire(path)
        hold.release()
      }
    },
    async lock() {
      const hold = await acquire(path, { timeout: Infinity })
      return () => hold.release()
    },
    tryLock() {
      const hold = tryAcquire(path)
      return hold === null ? null : () => hold.release()
    },
  }
}
