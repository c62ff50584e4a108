// Opened and closed synchronously, and tried before it waits, which is the quickest way to use it.
import { closeSync, openSync } from 'node:fs'

import fsx from 'fs-native-extensions'

export default function (path) {
  const file = `${path}.fsx`
  const lock = async () => {
    const fd = openSync(file, 'a+')
    if (!fsx.tryLock(fd)) await fsx.waitForLock(fd)
    return () => {
      fsx.unlock(fd)
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
