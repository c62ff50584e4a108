// It tells nobody that a line was written. With `told` a lane waits for the next `drain`, when nothing is left to write;
// otherwise, as loggers use it, only where write() asks for that, and what is written last is waited for in the end.
import { once } from 'node:events'

import SonicBoom from 'sonic-boom'

export default async function (path, { fsync = false, told }) {
  const sonic = new SonicBoom({ dest: path, fsync })
  await once(sonic, 'ready')
  let drained = null
  const drain = () => {
    drained ??= new Promise((resolve) =>
      sonic.once('drain', () => {
        drained = null
        resolve()
      }),
    )
    return drained
  }
  return {
    append(value) {
      const room = sonic.write(`${JSON.stringify(value)}\n`)
      if (told || !room) return drain()
    },
    finish() {
      sonic.flushSync()
    },
    async close() {
      const closed = once(sonic, 'close')
      sonic.end()
      await closed
    },
  }
}
