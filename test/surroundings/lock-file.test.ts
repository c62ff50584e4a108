// Bad surroundings: what stands where the lock file should be, and what the system refuses. Two rules are behind all of
// it: a refusal is a typed error and never a lock that does not lock; and content that is not ours is never changed.
import { execFileSync, fork } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, onTestFinished, test } from 'vitest'

import {
  acquire,
  acquireAll,
  holds,
  inspect,
  LockError,
  releaseAll,
  tryAcquire,
  type FallbackEvent,
} from '../../src/index.js'
import { Holdfast } from '../../src/holdfast.js'
import { systemClock } from '../../src/kernel/clock.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { composeRecord, ending } from '../../src/record-page.js'
import { signed } from '../helpers/signed.js'
import { RECORD_SIZE } from '../../src/record.js'
import { Agent } from '../helpers/agent.js'
import { anotherUser, missing, posix, procfs, program } from '../helpers/capabilities.js'
import { makeReadOnly, mounts, tmpfs } from '../helpers/mount.js'
import { scratch } from '../helpers/scratch.js'

const NOBODY = { uid: 65534, gid: 65534 }
const SOMEBODY = 65533
const TELL_FALLBACKS = new URL('../fixtures/tell-fallbacks.mjs', import.meta.url).href
const WITHOUT_DESCRIPTORS = fileURLToPath(new URL('../fixtures/without-descriptors.mjs', import.meta.url))

afterEach(() => void releaseAll())

/** A folder that other users can enter. */
function openFolder(mode = 0o755): string {
  const folder = scratch()
  chmodSync(folder, mode)
  return folder
}

async function refusal(promise: Promise<unknown>): Promise<LockError & { cause: NodeJS.ErrnoException }> {
  const error: unknown = await promise.then(
    () => 'it was not refused',
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(LockError)
  return error as LockError & { cause: NodeJS.ErrnoException }
}

/** Fallback events of this process, from now to the end of the test. */
function fallbacks(): FallbackEvent[] {
  const events: FallbackEvent[] = []
  const listen = (event: unknown) => void events.push(event as FallbackEvent)
  subscribe('holdfast:fallback', listen)
  onTestFinished(() => void unsubscribe('holdfast:fallback', listen))
  return events
}

interface RemoteFallback {
  kind: string
  lockfile: string
  causeCode?: string
}

async function agentWithFallbacks(): Promise<{ agent: Agent; events: RemoteFallback[] }> {
  const agent = await Agent.start({ ...NOBODY, execArgv: ['--import', TELL_FALLBACKS] })
  const events: RemoteFallback[] = []
  agent.process.on('message', (message: { event?: string } & RemoteFallback) => {
    if (message.event === 'fallback') events.push(message)
  })
  return { agent, events }
}

/** The lock of `path` excludes: a second process does not get it while we hold it, and gets it afterwards. */
async function expectToExclude(path: string, options: { lockfile?: string } = {}): Promise<void> {
  const other = await Agent.start()
  const hold = await acquire(path, options)
  expect(await other.tryAcquire(path, options)).toBeNull()
  hold.release()
  expect(await other.tryAcquire(path, options)).not.toBeNull()
}

describe('what is no regular file is refused and left alone', () => {
  test('a directory: the error names the likely cause', async () => {
    const target = join(scratch(), 'data')
    mkdirSync(`${target}.hold`)
    writeFileSync(join(`${target}.hold`, 'inside'), '')
    const error = await refusal(acquire(target))
    expect(error.code).toBe('ERR_LOCK_SYSTEM')
    expect(error.message).toContain('proper-lockfile')
    expect(error.message).toContain(`${target}.hold`)
    expect(error.path).toBe(target)
    expect(error.lockfile).toBe(`${target}.hold`)
    expect(readdirSync(`${target}.hold`)).toEqual(['inside'])
  })

  test.skipIf(missing(posix))('a directory: the cause is EISDIR, shaped like one of Node', async () => {
    const target = join(scratch(), 'data')
    mkdirSync(`${target}.hold`)
    const { cause } = await refusal(acquire(target))
    expect(cause).toMatchObject({ code: 'EISDIR', syscall: 'open', path: `${target}.hold` })
    expect(cause.errno).toBeLessThan(0)
  })

  test('every way in refuses a directory with the same code', async () => {
    const target = join(scratch(), 'data')
    mkdirSync(`${target}.hold`)
    const code = 'ERR_LOCK_SYSTEM'
    expect(() => tryAcquire(target)).toThrow(expect.objectContaining({ code }))
    await expect(acquire(target, { timeout: 0 })).rejects.toMatchObject({ code })
    await expect(acquire(target, { mode: 'shared' })).rejects.toMatchObject({ code })
    await expect(acquireAll([target])).rejects.toMatchObject({ code })
    expect(holds()).toEqual([])
  })

  test('inspect() refuses a directory with the same code', () => {
    const target = join(scratch(), 'data')
    mkdirSync(`${target}.hold`)
    expect(() => inspect(target)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_SYSTEM' }))
  })

  test.skipIf(missing(posix))('a symlink: neither it nor its destination is touched', async () => {
    const folder = scratch()
    const [target, destination] = [join(folder, 'data'), join(folder, 'destination')]
    writeFileSync(destination, '')
    symlinkSync(destination, `${target}.hold`)
    const error = await refusal(acquire(target))
    expect(error.code).toBe('ERR_LOCK_SYSTEM')
    expect(error.cause.code).toBe('ELOOP')
    expect(readlinkSync(`${target}.hold`)).toBe(destination)
    expect(readFileSync(destination, 'utf8')).toBe('')
    expect(inspect(join(folder, 'x'), { lockfile: destination }).state).toBe('free')
  })

  test.skipIf(missing(posix))('a dangling symlink: its destination is not created', async () => {
    const folder = scratch()
    const target = join(folder, 'data')
    symlinkSync(join(folder, 'nowhere'), `${target}.hold`)
    const error = await refusal(acquire(target))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ELOOP'])
    expect(readdirSync(folder)).toEqual(['data.hold'])
  })

  test.skipIf(missing(posix))('a symlink named as the exact lock file', async () => {
    const folder = scratch()
    const [link, destination] = [join(folder, 'link'), join(folder, 'destination')]
    writeFileSync(destination, 'data')
    symlinkSync(destination, link)
    const error = await refusal(acquire(join(folder, 'x'), { lockfile: link }))
    expect(error.cause.code).toBe('ELOOP')
    expect(readFileSync(destination, 'utf8')).toBe('data')
  })

  test.skipIf(missing(posix, program('mkfifo')))('a FIFO, without blocking', async () => {
    const target = join(scratch(), 'data')
    execFileSync('mkfifo', [`${target}.hold`])
    // In another process: a call that blocks must fail this test, not stop it.
    const agent = await Agent.start()
    for (const mode of ['exclusive', 'shared'] as const) {
      await expect(agent.acquire(target, { mode })).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM' })
    }
    await expect(agent.inspect(target)).rejects.toThrow()
    expect(lstatSync(`${target}.hold`).isFIFO()).toBe(true)
  })

  test.skipIf(missing(posix))('a unix socket', async () => {
    const target = join(scratch(), 'data')
    const server = createServer().listen(`${target}.hold`)
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const error = await refusal(acquire(target))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ENXIO'])
    expect(lstatSync(`${target}.hold`).isSocket()).toBe(true)
  })

  test.skipIf(missing(posix))('a device', async () => {
    const before = statSync('/dev/null')
    const error = await refusal(acquire(join(scratch(), 'data'), { lockfile: '/dev/null' }))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'EFTYPE'])
    const { mode, uid, gid } = statSync('/dev/null')
    expect({ mode, uid, gid }).toEqual({ mode: before.mode, uid: before.uid, gid: before.gid })
  })
})

describe('a target that is a symlink', () => {
  test.skipIf(missing(posix))(
    'the destination of a dangling one is what is locked, and it is not created',
    async () => {
      const folder = scratch()
      const [link, destination] = [join(folder, 'link'), join(folder, 'destination')]
      symlinkSync('destination', link)
      const hold = await acquire(link)
      expect([hold.path, hold.lockfile]).toEqual([destination, `${destination}.hold`])
      const other = await Agent.start()
      expect(await other.tryAcquire(destination)).toBeNull()
      expect(readdirSync(folder).sort()).toEqual(['destination.hold', 'link'])
    },
  )

  test.skipIf(missing(posix))('a chain of links over several folders ends at one lock', async () => {
    const folder = scratch()
    mkdirSync(join(folder, 'a'))
    mkdirSync(join(folder, 'b'))
    symlinkSync('../b/second', join(folder, 'a', 'first'))
    symlinkSync('third', join(folder, 'b', 'second'))
    const hold = await acquire(join(folder, 'a', 'first'))
    expect(hold.lockfile).toBe(join(folder, 'b', 'third.hold'))
  })

  test.skipIf(missing(posix))('links that go in a circle are refused', async () => {
    const folder = scratch()
    symlinkSync('b', join(folder, 'a'))
    symlinkSync('a', join(folder, 'b'))
    const error = await refusal(acquire(join(folder, 'a')))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ELOOP'])
  })
})

describe('folders', () => {
  test('a missing parent folder is named as the cause and not made', async () => {
    const folder = scratch()
    const error = await refusal(acquire(join(folder, 'missing', 'data')))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ENOENT'])
    expect(error.message).toContain('folder')
    expect(readdirSync(folder)).toEqual([])
  })

  test.skipIf(missing(posix))('a parent that is a file is refused', async () => {
    const folder = scratch()
    writeFileSync(join(folder, 'file'), 'data')
    const error = await refusal(acquire(join(folder, 'file', 'data')))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ENOTDIR'])
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('data')
  })

  test.skipIf(missing(anotherUser))('a parent folder that is not writable is refused', async () => {
    const folder = openFolder()
    const agent = await Agent.start(NOBODY)
    await expect(agent.acquire(join(folder, 'data'))).rejects.toMatchObject({
      code: 'ERR_LOCK_SYSTEM',
      causeCode: 'EACCES',
      lockfile: join(folder, 'data.hold'),
    })
    expect(readdirSync(folder)).toEqual([])
  })

  test.skipIf(missing(anotherUser))(
    'a folder that can no longer be entered leaves the hold, which says so in its own terms',
    async () => {
      const folder = openFolder()
      const inner = join(folder, 'inner')
      mkdirSync(inner)
      chownSync(inner, NOBODY.uid, NOBODY.gid)
      const agent = await Agent.start(NOBODY)
      const hold = await agent.acquire(join(inner, 'data'))
      chmodSync(inner, 0)
      await expect(agent.assertHeld(hold)).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', causeCode: 'EACCES' })
      expect(await agent.isHeld(hold)).toBe(true)
      expect(tryAcquire(join(inner, 'data'))).toBeNull()
      await agent.release(hold)
      expect(tryAcquire(join(inner, 'data'))).not.toBeNull()
    },
  )

  test.skipIf(missing(anotherUser))(
    'anybody can lock a file of somebody else in a sticky folder that all can write',
    async () => {
      const folder = openFolder(0o1777)
      const target = join(folder, 'data')
      // Of neither the folder's owner nor the user who locks: that is the case in which Linux refuses O_CREAT.
      writeFileSync(`${target}.hold`, '')
      chmodSync(`${target}.hold`, 0o666)
      chownSync(`${target}.hold`, SOMEBODY, SOMEBODY)
      const agent = await Agent.start(NOBODY)
      const hold = await agent.acquire(target)
      expect(hold.fence).not.toBeNull()
      expect(tryAcquire(target)).toBeNull()
      expect(statSync(`${target}.hold`).uid).toBe(SOMEBODY)
    },
  )
})

describe('owner and mode of a new lock file', () => {
  const modeOf = (path: string) => statSync(path).mode & 0o7777

  test.skipIf(missing(posix)).each(
    [
      { target: 0o644, lockfile: 0o644 },
      { target: 0o640, lockfile: 0o640 },
      { target: 0o664, lockfile: 0o664 },
      { target: 0o444, lockfile: 0o644 },
      { target: 0o777, lockfile: 0o666 },
      { target: 0o4755, lockfile: 0o644 },
      { target: 0o000, lockfile: 0o600 },
    ].map((modes) => ({ ...modes, title: `${modes.target.toString(8)} gives ${modes.lockfile.toString(8)}` })),
  )('the mode follows that of the target: $title', async ({ target, lockfile }) => {
    for (const umask of [0, 0o022, 0o077]) {
      const path = join(scratch(), 'data')
      writeFileSync(path, '')
      chmodSync(path, target)
      const before = process.umask(umask)
      try {
        await acquire(path)
      } finally {
        process.umask(before)
      }
      expect(modeOf(`${path}.hold`)).toBe(lockfile)
    }
  })

  test.skipIf(missing(posix))('without a target only the owner can use it, whatever the umask', async () => {
    for (const umask of [0, 0o022, 0o077]) {
      const path = join(scratch(), 'data')
      const before = process.umask(umask)
      try {
        await acquire(path)
      } finally {
        process.umask(before)
      }
      expect(modeOf(`${path}.hold`)).toBe(0o600)
    }
  })

  test.skipIf(missing(posix))('the mode of a lock file that exists is not changed', async () => {
    const path = join(scratch(), 'data')
    writeFileSync(path, '')
    chmodSync(path, 0o666)
    writeFileSync(`${path}.hold`, '')
    chmodSync(`${path}.hold`, 0o640)
    await acquire(path)
    expect(modeOf(`${path}.hold`)).toBe(0o640)
  })

  test.skipIf(missing(anotherUser))(
    'root gives it to the owner of the target, who can lock it afterwards',
    async () => {
      const path = join(openFolder(), 'data')
      writeFileSync(path, '')
      chmodSync(path, 0o640)
      chownSync(path, NOBODY.uid, NOBODY.gid)
      const hold = await acquire(path)
      const { uid, gid } = statSync(`${path}.hold`)
      expect({ uid, gid }).toEqual(NOBODY)
      expect(modeOf(`${path}.hold`)).toBe(0o640)
      const agent = await Agent.start(NOBODY)
      expect(await agent.tryAcquire(path)).toBeNull()
      hold.release()
      expect((await agent.acquire(path)).fence).toBeGreaterThan(hold.fence ?? Infinity)
    },
  )

  test.skipIf(missing(anotherUser))('root gives that of a folder to the owner of the folder', async () => {
    const path = join(openFolder(), 'project')
    mkdirSync(path)
    chmodSync(path, 0o755)
    chownSync(path, NOBODY.uid, NOBODY.gid)
    const hold = await acquire(path)
    hold.release()
    const agent = await Agent.start(NOBODY)
    await agent.acquire(path)
    const { uid, gid } = statSync(`${path}.hold`)
    expect({ uid, gid, mode: modeOf(`${path}.hold`) }).toEqual({ ...NOBODY, mode: 0o644 })
  })
})

describe('a lock file that cannot be written', () => {
  test.skipIf(missing(anotherUser))('locks without a record, and says so', async () => {
    const target = join(openFolder(), 'data')
    const content = 'data of root\n'
    writeFileSync(`${target}.hold`, content)
    truncateSync(`${target}.hold`, 0)
    chmodSync(`${target}.hold`, 0o644)
    const { agent, events } = await agentWithFallbacks()
    const hold = await agent.acquire(target)
    expect(hold).toMatchObject({ fence: null, recoveredFrom: null })
    expect(events).toMatchObject([{ kind: 'record', lockfile: `${target}.hold` }])
    expect(tryAcquire(target)).toBeNull()
    await agent.release(hold)
    expect(statSync(`${target}.hold`).size).toBe(0)
    expect(tryAcquire(target)).not.toBeNull()
  })

  test.skipIf(missing(anotherUser))('tells whom it recovers from', async () => {
    const target = join(openFolder(), 'data')
    writeFileSync(`${target}.hold`, composeRecord(signed('dead'), Date.now(), 1))
    const agent = await Agent.start(NOBODY)
    const hold = await agent.acquire(target)
    expect(hold.recoveredFrom).toMatchObject({ state: 'held', label: 'dead' })
  })

  test.skipIf(missing(anotherUser))('is refused when it cannot be read either', async () => {
    const target = join(openFolder(), 'data')
    writeFileSync(`${target}.hold`, '')
    chmodSync(`${target}.hold`, 0o600)
    const agent = await Agent.start(NOBODY)
    await expect(agent.acquire(target)).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', causeCode: 'EACCES' })
  })

  test.skipIf(missing(mounts))('locks on a filesystem that is read-only, without a record', async () => {
    const target = join(tmpfs(), 'data')
    writeFileSync(`${target}.hold`, '')
    makeReadOnly(join(target, '..'))
    const events = fallbacks()
    const hold = await acquire(target)
    expect(hold.fence).toBeNull()
    expect(events).toMatchObject([{ kind: 'record', lockfile: `${target}.hold` }])
    const other = await Agent.start()
    expect(await other.tryAcquire(target)).toBeNull()
    hold.release()
    await other.release(await other.acquire(target))
  })

  test.skipIf(missing(mounts))(
    'is refused on a filesystem that is read-only when it would have to be made',
    async () => {
      const target = join(tmpfs(), 'data')
      makeReadOnly(join(target, '..'))
      const error = await refusal(acquire(target))
      expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'EROFS'])
    },
  )

  test.skipIf(missing(mounts))('locks on a filesystem that is full, without a record', async () => {
    const folder = tmpfs('size=64k')
    const target = join(folder, 'data')
    expect(() => writeFileSync(join(folder, 'filler'), Buffer.alloc(1 << 20))).toThrow('ENOSPC')
    const events = fallbacks()
    const hold = await acquire(target)
    expect(hold.fence).toBeNull()
    expect(events).toMatchObject([{ kind: 'record', lockfile: `${target}.hold`, cause: { code: 'ENOSPC' } }])
    const other = await Agent.start()
    expect(await other.tryAcquire(target)).toBeNull()
    hold.release()
    await other.release(await other.acquire(target))
    // With room again there is a record again.
    truncateSync(join(folder, 'filler'), 0)
    expect((await acquire(target)).fence).not.toBeNull()
  })
})

describe('long names', () => {
  test('a name of 250 bytes can be locked, one of 251 has no room for the suffix', async () => {
    const folder = scratch()
    const hold = await acquire(join(folder, 'x'.repeat(250)))
    expect(readdirSync(folder)).toEqual([`${'x'.repeat(250)}.hold`])
    hold.release()
    const error = await refusal(acquire(join(folder, 'y'.repeat(251))))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ENAMETOOLONG'])
  })

  test.skipIf(missing(posix))('the lock of a file with a name of 255 bytes can be given another name', async () => {
    const folder = scratch()
    const [target, lockfile] = [join(folder, 'x'.repeat(255)), join(folder, 'lock')]
    writeFileSync(target, '')
    await expectToExclude(target, { lockfile })
    expect(readFileSync(target, 'utf8')).toBe('')
  })

  test.skipIf(missing(posix))('a path of more than 4096 bytes is refused', async () => {
    const error = await refusal(acquire(join(scratch(), 'x/'.repeat(2100), 'data')))
    expect([error.code, error.cause.code]).toEqual(['ERR_LOCK_SYSTEM', 'ENAMETOOLONG'])
  })

  test.skipIf(missing(posix))('a path is never cut off, however many bytes its characters have', async () => {
    for (const character of ['x', 'é', '€', '😀']) {
      let folder = scratch()
      const width = Buffer.byteLength(character)
      const part = character.repeat(Math.floor(200 / width))
      while (Buffer.byteLength(folder) < 800) folder = join(folder, part)
      mkdirSync(folder, { recursive: true })
      // The addon keeps paths of up to about 1 KiB on the stack: all lengths around that.
      const room = 1024 - Buffer.byteLength(`${folder}/.hold`)
      for (let bytes = room - 12; bytes <= room + 12; bytes++) {
        const name = 'a'.repeat(bytes % width) + character.repeat(Math.floor(bytes / width))
        const hold = await acquire(join(folder, name))
        expect(existsSync(hold.lockfile)).toBe(true)
        hold.assertHeld()
        hold.release()
      }
      expect(readdirSync(folder)).toHaveLength(25)
    }
  })
})

test.skipIf(missing(posix, procfs))(
  'without descriptors: a typed error, nothing leaks, and it works again with them',
  async () => {
    const folder = scratch()
    const child = fork(WITHOUT_DESCRIPTORS, [join(folder, 'held'), join(folder, 'absent')], {
      execPath: '/bin/sh',
      execArgv: ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [report] = (await once(child, 'message')) as [unknown]
    const refused = 'ERR_LOCK_SYSTEM because of EMFILE'
    expect(report).toEqual({
      exhausted: 'EMFILE',
      starved: {
        acquire: refused,
        'acquire of a new file': refused,
        tryAcquire: refused,
        acquireAll: refused,
      },
      left: { descriptors: 0, holds: 0 },
      after: { acquire: 'worked', acquireAll: 'worked' },
    })
  },
)

describe('content that is no record', () => {
  const record = (fields: object) => `holdfast ${JSON.stringify({ v: 1, ...fields })}`.padEnd(RECORD_SIZE - 1) + '\n'
  const good = { state: 'held', pid: 1, since: 1, fence: 1 }

  test.each<[string, string | Buffer]>([
    ['text', 'important data\n'],
    ['one byte', 'h'],
    ['NULs', Buffer.alloc(RECORD_SIZE)],
    ['binary', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7 + 128) % 256))],
    ['text that begins like the magic word', 'holdfast is a library\n'],
    ['the magic word alone', 'holdfast '],
    ['a record cut in the magic word', 'holdfast {"v"'],
    ['a record behind a space', ` ${record(good)}`],
    ['a record behind a byte order mark', `\ufeff${record(good)}`],
    ['a process number', '4711\n'],
    ['JSON', '{"v":1,"state":"held","pid":1,"since":1}\n'],
  ])('is never changed: %s', async (_, content) => {
    const target = join(scratch(), 'data')
    writeFileSync(`${target}.hold`, content)
    const before = readFileSync(`${target}.hold`)
    const events = fallbacks()
    const hold = await acquire(target)
    expect(hold).toMatchObject({ fence: null, recoveredFrom: null })
    expect(events).toMatchObject([{ kind: 'record', lockfile: `${target}.hold` }])
    expect(readFileSync(`${target}.hold`)).toEqual(before)
    const other = await Agent.start()
    expect(await other.tryAcquire(target)).toBeNull()
    expect(inspect(target)).toMatchObject({ state: 'held', record: null })
    hold.release()
    expect(readFileSync(`${target}.hold`)).toEqual(before)
    // A death leaves it alone as well.
    await other.acquire(target)
    await other.kill()
    expect((await acquire(target)).recoveredFrom).toBeNull()
    expect(readFileSync(`${target}.hold`)).toEqual(before)
  })

  test.each<[string, string]>([
    ['cut behind the magic word', 'holdfast {"v":'],
    ['cut in the middle', record(good).slice(0, 40)],
    ['broken JSON', 'holdfast {"v":1,"state":"held","pid":'.padEnd(RECORD_SIZE, '}')],
    ['a state that is none', record({ ...good, state: 'mine' })],
    ['a state of the wrong type', record({ ...good, state: 1 })],
    ['a process number that is text', record({ ...good, pid: '1' })],
    ['no process number', record({ ...good, pid: null })],
    ['a time that is text', record({ ...good, since: 'yesterday' })],
    ['a time beyond all dates', record({ ...good, since: 1e300 })],
    ['a list behind the magic word', 'holdfast {"v":[[[[[[['.padEnd(RECORD_SIZE, '[')],
  ])('a record with %s does not hinder the lock and is replaced', async (_, content) => {
    const target = join(scratch(), 'data')
    writeFileSync(`${target}.hold`, content)
    const hold = await acquire(target)
    expect(hold.recoveredFrom).toBeNull()
    expect(hold.fence).not.toBeNull()
    expect(inspect(target).record).toMatchObject({ state: 'held', pid: process.pid })
    hold.release()
    expect(inspect(target)).toMatchObject({ state: 'free', record: { state: 'free', pid: process.pid } })
  })

  test.each([-1, 0.5, 1e300, Number.MAX_SAFE_INTEGER, 'text', null, {}])(
    'a stored fence of %j is not built upon',
    async (fence) => {
      const target = join(scratch(), 'data')
      writeFileSync(`${target}.hold`, record({ ...good, fence }))
      const before = Date.now() * 1000
      const hold = await acquire(target)
      expect(hold.recoveredFrom).toMatchObject({ pid: 1 })
      expect(hold.fence).toBeGreaterThanOrEqual(before)
      expect(hold.fence).toBeLessThanOrEqual(Date.now() * 1000)
    },
  )

  test.skipIf(missing(posix))('a huge file is neither read nor written to its end', async () => {
    const target = join(scratch(), 'data')
    writeFileSync(`${target}.hold`, '')
    truncateSync(`${target}.hold`, 2 ** 30)
    const { blocks } = statSync(`${target}.hold`)
    await expectToExclude(target)
    expect(statSync(`${target}.hold`)).toMatchObject({ size: 2 ** 30, blocks })
  })

  test('what stands behind a record is never changed', async () => {
    const target = join(scratch(), 'data')
    const rest = 'somebody appended this\n'.repeat(100)
    const whole = Buffer.concat([composeRecord(signed('old'), 1, 1), Buffer.from(rest)])
    ending(null).copy(whole)
    writeFileSync(`${target}.hold`, whole)
    const hold = await acquire(target)
    expect(hold.fence).not.toBeNull()
    hold.release()
    expect(readFileSync(`${target}.hold`, 'utf8').slice(RECORD_SIZE)).toBe(rest)
  })
})

describe('a lock file that is the data of somebody', () => {
  test('is never written to', async () => {
    const data = join(scratch(), 'data.json')
    writeFileSync(data, '{"value":1}\n')
    const before = statSync(data, { bigint: true })
    const hold = await acquire(data, { lockfile: data })
    expect(hold).toMatchObject({ lockfile: data, fence: null })
    expect(readFileSync(data, 'utf8')).toBe('{"value":1}\n')
    hold.release()
    expect(readFileSync(data, 'utf8')).toBe('{"value":1}\n')
    expect(statSync(data, { bigint: true }).mtimeNs).toBe(before.mtimeNs)
    expect(readdirSync(join(data, '..'))).toEqual(['data.json'])
  })

  test('and empty, under another name, is locked and not written to', async () => {
    const target = join(scratch(), 'data')
    const theirs = join(scratch(), 'theirs')
    writeFileSync(theirs, '')
    linkSync(theirs, `${target}.hold`)
    const before = statSync(theirs, { bigint: true })
    const events = fallbacks()
    const hold = await acquire(target)
    expect(hold.fence).toBeNull()
    expect(releaseAll()).toBe(1)
    await expectToExclude(target)
    const { size, mtimeNs } = statSync(theirs, { bigint: true })
    expect([size, mtimeNs]).toEqual([0n, before.mtimeNs])
    expect(events[0]).toMatchObject({ kind: 'record', lockfile: `${target}.hold` })
    expect(events[0]?.reason).toContain('other names')
  })

  test('is not one that has our record: a lock file with several names gets records under each', async () => {
    const target = join(scratch(), 'data')
    const other = join(scratch(), 'data')
    const first = await acquire(target)
    linkSync(first.lockfile, `${other}.hold`)
    first.release()
    const second = await acquire(other)
    expect(second.fence).toBeGreaterThan(first.fence ?? Infinity)
    expect(tryAcquire(target)).toBeNull()
  })

  test.each<[string, (data: string) => void]>([
    ['longer than a record', (data) => writeFileSync(data, 'data '.repeat(1000))],
    ['shorter than the magic word', (data) => writeFileSync(data, 'data')],
    ['of the length of a record', (data) => writeFileSync(data, 'd'.repeat(RECORD_SIZE))],
    ['that is empty', (data) => truncateSync(data, 0)],
  ])('keeps data %s that was written into it during the hold', async (_, write) => {
    const data = join(scratch(), 'data.json')
    writeFileSync(data, '')
    const hold = await acquire(data, { lockfile: data })
    write(data)
    const written = readFileSync(data)
    hold.release()
    expect(readFileSync(data)).toEqual(written)
  })

  test('keeps the data of a hold that is revoked', async () => {
    const data = join(scratch(), 'data.json')
    writeFileSync(data, '')
    await acquire(data, { lockfile: data })
    writeFileSync(data, 'important')
    expect(releaseAll()).toBe(1)
    expect(readFileSync(data, 'utf8')).toBe('important')
  })

  test('keeps the data when hand-overs of one grant use up its fences', async () => {
    const data = join(scratch(), 'data.json')
    writeFileSync(data, '')
    // A clock that stands still: the whole line is served from one grant of the kernel.
    const holdfast = new Holdfast(() => new NativeKernel(), { ...systemClock, now: () => 0 })
    const first = await holdfast.acquire(data, { lockfile: data })
    const line = Array.from({ length: 40 }, async () => {
      const hold = await holdfast.acquire(data, { lockfile: data })
      hold.release()
      return hold.fence
    })
    writeFileSync(data, 'important'.repeat(100))
    first.release()
    const fences = await Promise.all(line)
    expect(readFileSync(data, 'utf8')).toBe('important'.repeat(100))
    // Numbers that were not stored are not handed out.
    expect(fences.at(-1)).toBeNull()
  })

  test('keeps data written by another process while we wait', async () => {
    const data = join(scratch(), 'data.json')
    writeFileSync(data, '')
    const other = await Agent.start()
    const hold = await other.acquire(data, { lockfile: data })
    const waiting = acquire(data, { lockfile: data })
    writeFileSync(data, 'important')
    await other.release(hold)
    const mine = await waiting
    expect(mine.fence).toBeNull()
    mine.release()
    expect(readFileSync(data, 'utf8')).toBe('important')
  })
})
