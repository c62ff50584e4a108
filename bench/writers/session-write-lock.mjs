// As a gateway does it: the lock of the session file, appendFile() under it, release.
import { appendFile } from 'node:fs/promises'

import { acquireSessionWriteLock } from '../../dist/adapters/session-write-lock.js'

export default function (path) {
  return {
    async append(value) {
      const lock = await acquireSessionWriteLock({ sessionFile: path })
      await appendFile(path, `${JSON.stringify(value)}\n`)
      await lock.release()
    },
    close() {},
  }
}
