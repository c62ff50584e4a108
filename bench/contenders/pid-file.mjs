// The same with the holder's PID in it: a file whose process is gone is removed. Two waiters may both find it gone, and
// the second removes the first one's new lock; here there is one. And a PID that is in use again looks alive for ever.
import { setTimeout as sleep } from 'node:timers/promises'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

export default function (path) {
  const file = `${path}.pid`
  return {
    async lock() {
      for (;;) {
        try {
          writeFileSync(file, String(process.pid), { flag: 'wx' })
          return () => rmSync(file)
        } catch (error) {
          if (error.code !== 'EEXIST') throw error
          if (!isAlive(Number(readFileSync(file, 'utf8')))) rmSync(file)
          else await sleep(50)
        }
      }
    },
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
