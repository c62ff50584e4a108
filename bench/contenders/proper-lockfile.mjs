// Default options; a wait needs retries, because without them a held lock is an error. Its lock is a directory beside
// the file, which must exist.
import { writeFileSync } from 'node:fs'

import lockfile from 'proper-lockfile'

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
