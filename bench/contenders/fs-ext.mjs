// Opened, unlocked and closed synchronously: an unlock through libuv's pool can queue behind blocked waits for ever.
import { closeSync, openSync } from 'node:fs'
import { promisify } from 'node:util'

import fsExt from 'fs-ext'

const flock = promisify(fsExt.flock)

export default function (path) {
  const file = `${path}.hold`
  const lock = async () => {
    const fd = openSync(file, 'a+')
    await flock(fd, 'ex')
    return () => {
      fsExt.flockSync(fd, 'un')
      closeSync(fd)
    }
  }
  return {
    async cycle() {
      const unlock = await lock()
      unlock()
    },
    lock,
  }
}
