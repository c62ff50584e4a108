// It connects for each lock.
import advisoryLock from 'advisory-lock'

export default function (url) {
  const { lock } = advisoryLock.default(url)('bench')
  return {
    async cycle() {
      const unlock = await lock()
      await unlock()
    },
    lock,
  }
}
