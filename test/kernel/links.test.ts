// Which links lead to another lock: of what cannot be read, and of what somebody else could have planted, none does.
import { chmodSync, existsSync, lchownSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { Holdfast } from '../../src/holdfast.js'
import { isLockError } from '../../src/index.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { Mount } from '../../src/kernel/mount-table.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { missing, posix, root } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

/** Two users, neither of whom is the one who runs this. */
const [ONE, OTHER] = [65533, 65532]

const PLACES = [
  ['a local filesystem', { point: '/', type: 'ext4', source: '/dev/sda1', options: [] }],
  ['a distant filesystem', { point: '/', type: 'nfs4', source: 'nas:/home', options: [] }],
] as const satisfies readonly (readonly [string, Mount])[]

function on(mount: Mount): Holdfast {
  const list = { mounts: [mount], text: mount.type, at: () => mount }
  const holdfast = new Holdfast(() => new NativeKernel(() => list), systemClock)
  onTestFinished(() => void holdfast.releaseAll())
  return holdfast
}

/** The code and the call of the system's refusal, for each way to ask. */
async function refusals(holdfast: Holdfast, path: string): Promise<string[]> {
  const ways = [
    () => holdfast.acquire(path),
    () => holdfast.acquire(path, { mode: 'shared' }),
    () => holdfast.tryAcquire(path),
    () => holdfast.acquireAll([path]),
    () => holdfast.inspect(path),
  ]
  const told: string[] = []
  for (const way of ways) {
    const error: unknown = await new Promise((resolve) => resolve(way())).then(
      () => 'it was not refused',
      (reason: unknown) => reason,
    )
    if (!isLockError(error, 'ERR_LOCK_SYSTEM')) throw new Error('Expected a refusal', { cause: error })
    const { code, syscall, path: which }: NodeJS.ErrnoException = error.cause as NodeJS.ErrnoException
    expect(error.message.includes('cannot be followed to what it names')).toBe(syscall === 'readlink')
    told.push(`${code} ${syscall} ${which}`)
  }
  return [...new Set(told)]
}

/** A folder of `owner` with a link of `linked` in it, which leads to `destination` elsewhere. */
function planted(mode: number, owner: number, linked: number): { link: string; destination: string } {
  const [folder, destination] = [join(scratch(), 'folder'), join(scratch(), 'destination')]
  const link = join(folder, 'link')
  mkdirSync(folder)
  symlinkSync(destination, link)
  lchownSync(link, linked, linked)
  lchownSync(folder, owner, owner)
  chmodSync(folder, mode)
  return { link, destination }
}

describe.skipIf(missing(posix)).each(PLACES)('on %s', (_, mount) => {
  test('what cannot be read as a link is refused by name', async () => {
    const path = join(scratch(), 'a'.repeat(256))
    expect(await refusals(on(mount), path)).toEqual([`ENAMETOOLONG readlink ${path}`])
  })

  test('an exact lock file does not depend on the links of its target', async () => {
    const [holdfast, folder] = [on(mount), scratch()]
    const [path, lockfile] = [join(folder, 'a'.repeat(256)), join(folder, 'exact')]
    symlinkSync('loop', join(folder, 'loop'))
    holdfast.tryAcquire(join(folder, 'file'), { lockfile })?.release() // who makes it looks at the target
    for (const target of [path, join(folder, 'loop', 'file')]) {
      const hold = await holdfast.acquire(target, { lockfile })
      expect([hold.path, hold.lockfile]).toEqual([target, lockfile])
      hold.release()
    }
  })

  describe.skipIf(missing(root))('of a link in a folder', () => {
    test.each([
      ['sticky and for everybody, of one user, and the link another’s', 0o1777, ONE, OTHER],
      ['sticky and for everybody, of ours, and the link another’s', 0o1777, 0, OTHER],
    ])('%s: it is not followed', async (_title, mode, owner, linked) => {
      const { link, destination } = planted(mode, owner, linked)
      expect(await refusals(on(mount), link)).toEqual([`EACCES readlink ${link}`])
      expect([existsSync(`${link}.hold`), existsSync(`${destination}.hold`)]).toEqual([false, false])
    })

    test.each([
      ['sticky and for everybody, and the link ours', 0o1777, ONE, 0],
      ['sticky and for everybody, and the link its owner’s', 0o1777, ONE, ONE],
      ['sticky and not for everybody', 0o1775, ONE, OTHER],
      ['for everybody and not sticky', 0o777, ONE, OTHER],
    ])('%s: it is followed', async (_title, mode, owner, linked) => {
      const { link, destination } = planted(mode, owner, linked)
      const hold = await on(mount).acquire(link)
      expect(hold.lockfile).toBe(`${destination}.hold`)
    })

    test('a link of our own to one that is not followed is not either', async () => {
      const { link } = planted(0o1777, 0, OTHER)
      const first = join(scratch(), 'first')
      symlinkSync(link, first)
      expect(await refusals(on(mount), first)).toEqual([`EACCES readlink ${link}`])
    })
  })
})
