import { tryAcquire } from '../../dist/index.js'

export default function (path) {
  return {
    cycleSync() {
      tryAcquire(path).release()
    },
  }
}
