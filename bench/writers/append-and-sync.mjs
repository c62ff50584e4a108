// A write and an fdatasync for each line: every lane for itself, or with `queued` one line after the other.
import { open } from 'node:fs/promises'

import { oneAtATime } from '../lib/one-at-a-time.mjs'

export default async function (path, { queued }) {
  const file = await open(path, 'a')
  const append = async (value) => {
    await file.write(`${JSON.stringify(value)}\n`)
    await file.datasync()
  }
  return {
    append: queued ? oneAtATime(append) : append,
    close: () => file.close(),
  }
}
