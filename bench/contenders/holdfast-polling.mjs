// What a caller without a blocking wait does: a try every millisecond.
import { setTimeout as sleep } from 'node:timers/promises'

import { tryAcquire } from '../../dist/index.js'

export default function (path) {
  return {
    async lock() {
      for (;;) {
        const hold = tryAcquire(path)
        if (hold !== null) return () => hold.release()
        await sleep(1)
      }
    },
  }
}
