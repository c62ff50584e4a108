import { tryAcquire } from '../../dist/index.js'

const options = { record: false }

export default function (path) {
  return {
    cycleSync() {
      tryAcquire(path, options).release()
    },
  }
}
