// Opened and closed synchronously, which is quicker than through promises.
import { closeSync, openSync } from 'node:fs'

import { lock, unlock } from 'os-lock'

export default function (path) {
  const file = `${path}.os-lock`
  return {
    async cycle() {
      const fd = openSync(file, 'a+')
      await lock(fd, { exclusive: true })
      await unlock(fd)
      closeSync(fd)
    },
  }
}
