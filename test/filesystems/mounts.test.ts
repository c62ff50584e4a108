// Locks on filesystems that are really mounted: how each is classified, and whether its locks exclude. A row here is a
// row of docs/platforms.md.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import type { FilesystemKind } from '../../src/kernel/filesystem.js'
import { Filesystems } from '../../src/kernel/filesystems.js'
import { linuxMounts, mountsNow } from '../../src/kernel/mount-table.js'
import { Agent } from '../helpers/agent.js'
import { missing, program, type Capability } from '../helpers/capabilities.js'
import { bindfs, bound, formatted, fuse, mounts, overlay, tmpfs } from '../helpers/mount.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'

const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const TELLS = fileURLToPath(new URL('../fixtures/tell-fallbacks.mjs', import.meta.url))

const NO_LINKS = { link: () => null, now: () => 0, changed: () => {} }

interface Row {
  readonly name: string
  readonly needs: readonly Capability[]
  readonly mount: () => string | Promise<string>
  readonly type: string
  readonly kind: FilesystemKind
}

const ROWS: readonly Row[] = [
  { name: 'tmpfs', needs: [mounts], mount: () => tmpfs(), type: 'tmpfs', kind: 'local' },
  { name: 'overlay', needs: [mounts], mount: () => overlay().folder, type: 'overlay', kind: 'local' },
  {
    name: 'ext2',
    needs: [mounts, program('mkfs.ext2')],
    mount: () => formatted('ext2', 'mkfs.ext2', '-q'),
    type: 'ext2',
    kind: 'local',
  },
  {
    name: 'ext4',
    needs: [mounts, program('mkfs.ext4')],
    mount: () => formatted('ext4', 'mkfs.ext4', '-q'),
    type: 'ext4',
    kind: 'local',
  },
  {
    name: 'xfs',
    needs: [mounts, program('mkfs.xfs')],
    mount: () => formatted('xfs', 'mkfs.xfs', '-q'),
    type: 'xfs',
    kind: 'local',
  },
  {
    name: 'btrfs',
    needs: [mounts, program('mkfs.btrfs')],
    mount: () => formatted('btrfs', 'mkfs.btrfs', '-q'),
    type: 'btrfs',
    kind: 'local',
  },
  { name: 'a bind mount', needs: [mounts], mount: () => bound(tmpfs()), type: 'tmpfs', kind: 'local' },
  {
    name: 'FUSE',
    needs: [fuse],
    mount: async () => (await bindfs(scratch())).folder,
    type: 'fuse',
    kind: 'unsure',
  },
]

describe.each(ROWS)('$name', ({ needs, mount, type, kind }) => {
  test.skipIf(missing(...needs))('is known for what it is', async () => {
    const folder = await mount()
    const filesystems = new Filesystems({ mounts: () => mountsNow(() => []), ...NO_LINKS })
    expect(filesystems.of(join(folder, 'file'))).toMatchObject({ type, kind, mount: folder })
  })

  test.skipIf(missing(...needs))('excludes, wakes a waiter, and frees the lock of a dead process', async () => {
    const path = join(await mount(), 'file')
    const execArgv = ['--import', TELLS]
    const [a, b] = [await Agent.start({ execArgv }), await Agent.start({ execArgv })]
    const first = await a.acquire(path)
    expect(first.fence).not.toBeNull()
    expect(await b.tryAcquire(path)).toBeNull()
    const waiting = b.acquire(path)
    await mustStayBlocked(waiting)
    await a.release(first)
    await waiting
    const c = await Agent.start({ execArgv })
    const next = c.acquire(path)
    await mustStayBlocked(next)
    await b.kill()
    expect((await next).recoveredFrom?.pid).toBe(b.pid)
  })
})

describe('what is told of a mount', () => {
  /** A process that locks a file twice and says nothing itself. */
  function lockIn(folder: string, before = ''): { stdout: string; stderr: string } {
    const path = JSON.stringify(join(folder, 'file'))
    const code = `${before}
      const { withLock } = await import('holdfast')
      for (let i = 0; i < 2; i++) await withLock(${path}, () => {})`
    const options = { cwd: REPOSITORY, encoding: 'utf8' } as const
    return spawnSync(process.execPath, ['--input-type=module', '--eval', code], options)
  }

  test.skipIf(missing(fuse))('of an unsure one, one warning where nobody subscribes', async () => {
    const { folder } = await bindfs(scratch())
    const { stderr } = lockIn(folder)
    expect(stderr.match(/HOLDFAST_FILESYSTEM/g)).toHaveLength(1)
    expect(stderr).toContain(`at ${folder}`)
  })

  test.skipIf(missing(fuse))('of an unsure one, an event and no warning where somebody subscribes', async () => {
    const { folder } = await bindfs(scratch())
    const { stdout, stderr } = lockIn(
      folder,
      `const { subscribe } = await import('node:diagnostics_channel')
       subscribe('holdfast:fallback', ({ kind, filesystem }) => console.log(kind, filesystem.kind))`,
    )
    expect(stdout).toBe('filesystem unsure\n')
    expect(stderr).toBe('')
  })

  test.skipIf(missing(mounts))('of a local one, nothing', () => {
    expect(lockIn(tmpfs())).toMatchObject({ stdout: '', stderr: '' })
  })
})

describe('two routes to one file', () => {
  test.skipIf(missing(mounts))('through a bind mount are one lock', () => {
    const source = tmpfs()
    const [path, other] = [join(source, 'file'), join(bound(source), 'file')]
    const hold = tryAcquire(path)
    expect(hold).not.toBeNull()
    expect(tryAcquire(other)).toBeNull()
    hold?.release()
  })

  // The kernel sees two files: not promised, and shown here so that the documents stay true.
  test.skipIf(missing(mounts))('through an overlay and its upper folder are two locks', () => {
    const { folder, upper } = overlay()
    const [hold, other] = [tryAcquire(join(folder, 'file')), tryAcquire(join(upper, 'file'))]
    expect([hold?.held, other?.held]).toEqual([true, true])
    hold?.release()
    other?.release()
  })

  test.skipIf(missing(fuse))('through FUSE and its backing folder are two locks', async () => {
    const source = scratch()
    const { folder } = await bindfs(source)
    const [hold, other] = [tryAcquire(join(source, 'file')), tryAcquire(join(folder, 'file'))]
    expect([hold?.held, other?.held]).toEqual([true, true])
    hold?.release()
    other?.release()
  })
})

test.skipIf(missing(fuse))('a mount that hides behind a local name is known by its number', async () => {
  const { folder } = await bindfs(scratch())
  const list = linuxMounts('1 0 8:1 / / rw - ext4 /dev/sda rw')
  const filesystems = new Filesystems({ mounts: () => list, ...NO_LINKS })
  expect(filesystems.of(join(folder, 'file'))).toMatchObject({ kind: 'unsure', type: 'fuse', distant: true })
})
