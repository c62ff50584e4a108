// As its README has it: opened and closed asynchronously.
import { close, open } from 'node:fs'
import { promisify } from 'node:util'

import { lock, unlock } from 'os-lock'

const openFile = promisify(open)
const closeFile = promisify(close)

export default function (path) {
  const file = `${path}.os-lock`
  return {
    async cycle() {
      const fd = await openFile(file, 'a+')
      await lock(fd, { exclusive: true })
      await unlock(fd)
      await closeFile(fd)
    },
  }
}
