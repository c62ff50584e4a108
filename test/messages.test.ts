// What people read of errors and warnings is safe to print, whatever paths and names have in them: nothing commands a
// terminal, ends the line or turns it around. What programs read is exact.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import { acquireSessionWriteLock, cleanStaleLockFiles } from '../src/adapters/session-write-lock.js'
import { publishFilesystem } from '../src/channels.js'
import { tellLeak } from '../src/coordination/hold-events.js'
import { LockError, visible } from '../src/errors.js'
import { Hold } from '../src/hold.js'
import { acquire, inspect, Owner, releaseAll, tryAcquire } from '../src/index.js'
import { AddonFailures } from '../src/kernel/addon-failures.js'
import { openStore, openTranscript } from '../src/session.js'
import { missing, posix } from './helpers/capabilities.js'
import { lease, leases } from './helpers/lease.js'
import { scratch } from './helpers/scratch.js'

const UNCLEAN = /[\p{Cc}\p{Cf}\u2028\u2029]/u
/** A file's name can have all of these, but on Windows. */
const NAME = 'a\x1b[31m\r\n\t\x07\x7f\x9b2J\u202eb\u2066\u2028\u{e0041}'
const SHOWN = String.raw`a\x1b[31m\r\n\t\x07\x7f\x9b2J\u202eb\u2066\u2028\u{e0041}`

afterEach(() => void releaseAll())

/** The error, and every error behind it. */
async function errorsOf(work: () => unknown): Promise<Error[]> {
  const errors: Error[] = []
  try {
    await work()
  } catch (first) {
    for (let error = first; error instanceof Error; error = error.cause) errors.push(error)
  }
  return errors
}

function strangePath(folder = scratch()): string {
  return join(folder, NAME)
}

test('characters that do something are shown as escapes, all others as they are', () => {
  expect(visible(NAME)).toBe(SHOWN)
  expect(visible('half \ud800')).toBe('half \\ud800')
  expect(visible('zwölf "☃" \'😀\' \\ e\u0301 العربية')).toBe('zwölf "☃" \'😀\' \\ e\u0301 العربية')
})

describe.skipIf(missing(posix))('a path with escapes and ends of lines', () => {
  const refusals: Record<string, (path: string) => unknown> = {
    'a wait that ran out': async (path) => {
      await acquire(path)
      await acquire(path, { timeout: 1 })
    },
    'a folder in the place of the lock file': (path) => {
      mkdirSync(`${path}.hold`)
      return acquire(path)
    },
    'an inspection of it': (path) => {
      mkdirSync(`${path}.hold`)
      return inspect(path)
    },
    'a hold that is over': async (path) => {
      const hold = await acquire(path)
      hold.release()
      hold.assertHeld()
    },
    'a deadlock': async (path) => {
      const owner = new Owner(NAME)
      const shared = await acquire(path, { owner, mode: 'shared' })
      onTestFinished(() => shared.release())
      await acquire(path, { owner })
    },
    'a closed owner': async (path) => {
      const owner = new Owner(NAME)
      owner.close()
      await acquire(path, { owner })
    },
    'an argument': (path) => acquire('file', { mode: path as 'shared' }),
    'an option that there is not': (path) => acquire('file', { [path]: 1 }),
    'a transcript that is a folder': (path) => {
      mkdirSync(path)
      return openTranscript(path)
    },
    'a store that is a folder': async (path) => {
      mkdirSync(path)
      const store = await openStore(path, { initial: {} })
      return store.read()
    },
    'a store of a link that leads in a circle': async (path) => {
      symlinkSync(NAME, path)
      const store = await openStore(path, { initial: {} })
      return store.read()
    },
    'a closed store': async (path) => {
      const store = await openStore(path, { initial: {} })
      await store.close()
      await store.read()
    },
    'a session of a gateway that is busy': async (path) => {
      await acquire(path)
      await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 1 })
    },
    'a folder of a session that cannot be made': (path) => {
      symlinkSync('nowhere', path)
      return acquireSessionWriteLock({ sessionFile: join(path, 'folder', 'session.jsonl') })
    },
  }

  test.each(Object.entries(refusals))('is shown, not obeyed, by the error of %s', async (_, refuse) => {
    const errors = await errorsOf(() => refuse(strangePath()))
    expect(errors).not.toEqual([])
    for (const error of errors) {
      expect(error.message).not.toMatch(UNCLEAN)
      expect(error.stack).toContain(error.message)
    }
    expect(errors.map(({ message }) => message).join()).toMatch(/a\\(x1b|u001b)\[31m/)
  })

  test('is shown, not obeyed, by the warnings of the process', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    tellLeak(Hold.stateOf(await acquire(strangePath())))
    const filesystem = { kind: 'unsure', type: 'fuse', mount: NAME, source: NAME } as const
    publishFilesystem({ kind: 'filesystem', lockfile: NAME, reason: `${NAME} lies there`, filesystem })
    expect(warn.mock.calls).toHaveLength(2)
    for (const [message] of warn.mock.calls) {
      expect(message).not.toMatch(UNCLEAN)
      expect(message).toContain(SHOWN)
    }
  })

  test('is shown, not obeyed, where the permission model forbids it', async () => {
    const model = { configurable: true, value: { has: () => false } }
    Object.defineProperty(process, 'permission', model)
    onTestFinished(() => void Reflect.deleteProperty(process, 'permission'))
    vi.resetModules() // it is asked for once
    const { checkPermission } = await import('../src/kernel/permission.js')
    expect(() => checkPermission(NAME)).toThrow(SHOWN)
  })

  test('is exact in the properties of errors', async () => {
    const path = strangePath()
    mkdirSync(`${path}.hold`)
    const [error] = await errorsOf(() => acquire(path))
    expect(error).toMatchObject({ path, lockfile: `${path}.hold`, cause: { path: `${path}.hold` } })
  })

  test('is shown, not obeyed, by what a gateway is warned of when it starts', async () => {
    const folder = scratch()
    mkdirSync(join(folder, `${NAME}.jsonl.hold`))
    writeFileSync(join(folder, `${NAME}-stale.jsonl.lock`), '{"pid":1000000000,"createdAt":1}')
    const said: string[] = []
    await cleanStaleLockFiles({ sessionsDir: folder, log: { warn: (message) => said.push(message) } })
    expect(said).toHaveLength(2)
    for (const message of said) {
      expect(message).not.toMatch(UNCLEAN)
      expect(message).toContain(SHOWN)
    }
  })
})

test('a message that has several lines keeps them, and each of them is safe', () => {
  const failures = new AddonFailures()
  failures.add(`/${NAME}`, new Error(`cannot open /${NAME}`))
  const { message } = failures.error(`/${NAME}`)
  const lines = message.split('\n')
  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line).not.toMatch(UNCLEAN)
  expect(new LockError('ERR_LOCK_SYSTEM', ['one\ntwo', 'three']).message).toBe('one\\ntwo\nthree')
})

test.skipIf(missing(leases))('the refusal of a lock file on which somebody has a lease says so', async () => {
  const path = join(scratch(), 'data')
  writeFileSync(`${path}.hold`, '')
  await lease(`${path}.hold`)
  expect(() => tryAcquire(path)).toThrow(/somebody has a lease on it/)
})
