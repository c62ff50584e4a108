// The contract's world on the real system, in a folder of its own. No test runner in here: it also runs by a script.
import { existsSync, linkSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import type { LockTarget } from '../../src/kernel/kernel.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import type { ContractWorld } from '../kernel/contract.js'
import { LOCAL, SURE } from './filesystem.js'

/** Where a handle without FILE_SHARE_DELETE keeps a lock file from being deleted. */
const KEEPS_OPEN_FILES = process.platform === 'win32'

/** Only some users may make them there, and Wine makes none. */
const LINKS = process.platform !== 'win32'

/** In `folder`, as if that lay on `filesystem`. */
export function nativeWorld(folder: string, filesystem = LOCAL): ContractWorld {
  mkdirSync(folder, { recursive: true })
  let files = 0
  const named = (name: string): LockTarget => {
    const target = join(folder, name)
    return { target, lockfile: `${target}.hold`, filesystem, ...SURE }
  }
  return {
    open: () => new NativeKernel(),
    target: () => named(`file-${++files}`),
    unreachable: () => named(join('missing', 'file')),
    alias(file) {
      const other = named(`alias-${++files}`)
      linkSync(file.lockfile, other.lockfile)
      return other
    },
    link: LINKS
      ? (target) => {
          const link = join(folder, `link-${++files}`)
          symlinkSync(target, link)
          return link
        }
      : null,
    untold: LINKS ? join(folder, 'a'.repeat(256)) : null,
    remove: KEEPS_OPEN_FILES ? null : (file) => unlinkSync(file.lockfile),
    content: (file) => readFileSync(file.lockfile, 'latin1'),
    overwrite: (file, content) => writeFileSync(file.lockfile, content),
    exists: (file) => existsSync(file.lockfile),
    async until(condition) {
      for (let tries = 0; !condition(); tries++) {
        if (tries > 10_000) throw new Error('it never happened')
        await pause(1)
      }
    },
    blockUntil(condition) {
      const never = new Int32Array(new SharedArrayBuffer(4))
      for (let tries = 0; !condition(); tries++) {
        if (tries > 10_000) throw new Error('it never happened')
        Atomics.wait(never, 0, 0, 1)
      }
    },
  }
}
