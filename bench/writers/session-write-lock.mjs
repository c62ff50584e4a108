// As a gateway does it: the lock of the session file, an append, release.
import { acquireSessionWriteLock } from '../../dist/adapters/session-write-lock.js'
import { appendLine } from '../lib/append-line.mjs'

export default function (path, options) {
  return {
    async append(value) {
      const lock = await acquireSessionWriteLock({ sessionFile: path })
      await appendLine(path, value, options)
      await lock.release()
    },
    close() {},
  }
}
