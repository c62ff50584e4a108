// The same, always through its asynchronous wait.
import { closeSync, openSync } from 'node:fs'

import fsx from 'fs-native-extensions'

export default function (path) {
  const file = `${path}.fsx`
  return {
    async cycle() {
      const fd = openSync(file, 'a+')
      await fsx.waitForLock(fd)
      fsx.unlock(fd)
      closeSync(fd)
    },
  }
}
