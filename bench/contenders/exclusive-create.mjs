// The oldest lock there is: whoever creates the file has it. Nothing tells a held lock from one that was left behind.
import { setTimeout as sleep } from 'node:timers/promises'
import { rmSync, writeFileSync } from 'node:fs'

export default function (path) {
  const file = `${path}.lock`
  return {
    async lock() {
      for (;;) {
        try {
          writeFileSync(file, '', { flag: 'wx' })
          return () => rmSync(file)
        } catch (error) {
          if (error.code !== 'EEXIST') throw error
          await sleep(50)
        }
      }
    },
  }
}
