// The lock for each line, and appendFile() under it. Its retries would starve lanes of one process: with `queued` they take
// turns first, which is the quickest that it gets. Across processes it tries every 50 ms.
import { writeFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'

import lockfile from 'proper-lockfile'

import { oneAtATime } from '../lib/one-at-a-time.mjs'

const WAIT = { retries: { forever: true, factor: 1, minTimeout: 50, maxTimeout: 50 } }

export default function (path, { flush = false }) {
  writeFileSync(path, '', { flag: 'a' })
  return {
    append: oneAtATime(async (value) => {
      const release = await lockfile.lock(path, WAIT)
      await appendFile(path, `${JSON.stringify(value)}\n`, { flush })
      await release()
    }),
    close() {},
  }
}
