// The same calls as in proper-lockfile.mjs, with one import changed.
import { writeFileSync } from 'node:fs'

import lockfile from '../../dist/adapters/proper-lockfile.js'

const WAIT = { retries: { forever: true, factor: 1, minTimeout: 50, maxTimeout: 50 } }

export default function (path) {
  writeFileSync(path, '', { flag: 'a' })
  return {
    async cycle() {
      const release = await lockfile.lock(path)
      await release()
    },
    lock: () => lockfile.lock(path, WAIT),
  }
}
