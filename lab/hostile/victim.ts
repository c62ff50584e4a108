// The process that surroundings are hostile to: it uses the public names, and tells how each call ended.
import { readdirSync, readlinkSync } from 'node:fs'
import { inspect as shown } from 'node:util'

import { acquire, acquireAll, holds, inspect, isLockError, tryAcquire, withLock, type Hold } from 'holdfast'
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  SessionWriteLockTimeoutError,
} from 'holdfast/adapters/session-write-lock'
import {
  isSessionError,
  openStore,
  openTranscript,
  updateJson,
  type StoreOptions,
  type Transcript,
} from 'holdfast/session'

import type { Ended, PlainOptions, TranscriptWork, VictimCalls, Way } from './calls.js'
import { serve } from './serve.js'

const warnings: string[] = []
process.on('warning', (warning) => warnings.push(warning.message))

const kept = new Map<number, { end: () => void; hold: Hold }>()
let lastKey = 0

function keep(hold: Hold, end = (): void => hold.release()): number {
  kept.set(++lastKey, { hold, end })
  return lastKey
}

function done(outcome: string, answer: Partial<Ended> = {}): Ended {
  const messages = [...(answer.messages ?? []), ...warnings.splice(0)]
  return { outcome, key: null, printed: [], value: null, ...answer, messages }
}

function granted(hold: Hold, end?: () => void): Ended {
  const withRecord = hold.fence !== null || hold.mode === 'shared'
  return done(withRecord ? 'lock' : 'lock without record', {
    key: keep(hold, end),
    printed: [shown(holds())],
    value: { path: hold.path, lockfile: hold.lockfile },
  })
}

function failed(error: unknown): Ended {
  if (!(error instanceof Error)) return done(`untyped ${String(error)}`)
  const causes = error.cause instanceof Error ? [error.cause.message] : []
  return done(outcomeOf(error), {
    messages: [error.message, String(error), ...causes],
    printed: [error.stack ?? '', shown(error)],
  })
}

function outcomeOf(error: Error): string {
  if (isLockError(error, 'ERR_LOCK_TIMEOUT') || error instanceof SessionWriteLockTimeoutError) return 'busy'
  if (isLockError(error, 'ERR_LOCK_LOST')) return 'lost'
  if (isSessionError(error, 'ERR_SESSION_UNREADABLE') && error.cause === undefined) return 'unreadable'
  const code = codeOf(error)
  if (isLockError(error) || isSessionError(error)) return codeOf(error.cause) ?? error.code
  const ofArguments = (error instanceof TypeError || error instanceof RangeError) && code?.startsWith('ERR_') === true
  return ofArguments ? code : `untyped ${error.name}: ${error.message}`
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

async function attempt(work: () => Promise<Ended> | Ended): Promise<Ended> {
  try {
    return await work()
  } catch (error) {
    return failed(error)
  }
}

/** So long a wait for a lock that somebody keeps, where the case names no other. */
const PATIENCE = 30

async function lockBy(way: Way, path: string, { timeout = PATIENCE, ...options }: PlainOptions): Promise<Ended> {
  const { record } = options
  switch (way) {
    case 'tryAcquire': {
      const hold = tryAcquire(path, options)
      return hold === null ? done('busy') : granted(hold)
    }
    case 'acquire':
      return granted(await acquire(path, { ...options, timeout }))
    case 'shared':
      return granted(await acquire(path, { ...options, timeout, mode: 'shared' }))
    case 'at once':
      return granted(await acquire(path, { ...options, timeout: 0 }))
    case 'acquireAll': {
      // It knows no lock file of another name.
      const set = await acquireAll([path], { timeout, record })
      const [hold] = set.holds
      if (hold === undefined) throw new Error('a set without a hold')
      return granted(hold, () => set.release())
    }
    case 'withLock':
      // Held until it is let go, so that somebody else can try meanwhile.
      return await new Promise((resolve, reject) => {
        const section = (hold: Hold): Promise<void> => new Promise((end) => resolve(granted(hold, end)))
        withLock(path, { ...options, timeout }, section).catch(reject)
      })
  }
}

async function onTranscript(work: TranscriptWork, path: string, options: object): Promise<Ended> {
  await using transcript = await openTranscript(path, { timeout: PATIENCE, ...options })
  switch (work) {
    case 'open':
      return done('done')
    case 'append':
      await transcript.append({ appended: true })
      return done('done')
    case 'read': {
      const lines: unknown[] = []
      for await (const line of transcript.read()) lines.push(line)
      return done('done', { printed: [shown(lines)], value: lines })
    }
    case 'compact': {
      const expect = await transcript.append({ old: true })
      await transcript.compact([{ compacted: true }], { expect })
      return done('done')
    }
    case 'delete':
      await transcript.delete()
      return done('done')
  }
}

let opened: Transcript | null = null

/** Copies of what is torn are named by the time. */
const realTime = Object.getOwnPropertyDescriptor(Date.prototype, 'toISOString')
let frozen: string | null = null
Object.defineProperty(Date.prototype, 'toISOString', {
  ...realTime,
  value(this: Date): unknown {
    return frozen ?? Reflect.apply(realTime?.value as () => string, this, [])
  },
})

const calls: VictimCalls = {
  lock: (way, path, options = {}) => attempt(() => lockBy(way, path, options)),
  letGo(key) {
    kept.get(key)?.end()
    kept.delete(key)
  },
  assertHeld(key) {
    try {
      kept.get(key)?.hold.assertHeld()
      return done('held')
    } catch (error) {
      return failed(error)
    }
  },
  inspect(path, options) {
    try {
      const state = inspect(path, options)
      return done(state.state, { printed: [shown(state)], value: state })
    } catch (error) {
      return failed(error)
    }
  },
  transcript: (work, path, options = {}) => attempt(() => onTranscript(work, path, options)),
  store: (work, path, options = {}) =>
    attempt(async () => {
      const given: StoreOptions<unknown> = { timeout: PATIENCE, initial: {}, ...options }
      const change = (value: unknown): unknown => ({ ...(typeof value === 'object' ? value : {}), updated: true })
      if (work === 'updateJson') return done('done', { value: await updateJson(path, change, given) })
      await using store = await openStore(path, given)
      if (work === 'read') return done('done', { value: await store.read() })
      if (work === 'update') return done('done', { value: await store.update(change) })
      return done('done')
    }),
  openToRead: (path) =>
    attempt(async () => {
      opened = await openTranscript(path)
      return done('done')
    }),
  readMany: (times) =>
    attempt(async () => {
      const ends = new Set<string>()
      if (opened === null) throw new Error('no transcript is open')
      await using transcript = opened
      for (let round = 0; round < times; round++) {
        const read = await attempt(async () => {
          for await (const line of transcript.read()) ends.add(shown(line, { breakLength: Infinity }))
          return done('done')
        })
        ends.add(read.outcome)
      }
      return done('done', { value: [...ends] })
    }),
  sessionLock: (sessionFile) =>
    attempt(async () => {
      const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: PATIENCE, legacyPeer: true })
      lock.assertHeld()
      await lock.release()
      return done('done')
    }),
  clean: (sessionsDir) =>
    attempt(async () => {
      const said: string[] = []
      const warn = (message: string): void => void said.push(message)
      const { locks } = await cleanStaleLockFiles({ sessionsDir, log: { warn } })
      const found = locks.map(({ stale, removed }) => (removed ? 'removed' : stale ? 'stale' : 'held'))
      return done([...found, ...said.map(() => 'a warning')].join(', ') || 'nothing', { messages: said })
    }),
  umask: (mask) => process.umask(mask),
  chdir: (folder) => process.chdir(folder),
  freeze(iso) {
    frozen = iso
  },
  left: () => [...descriptors(), ...holds().map(({ lockfile }) => `a hold of ${lockfile}`)],
}

/** Not those of Node's own: what they lead to is no path. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      const to = readlinkSync(`/proc/self/fd/${number}`)
      return to.startsWith('/') ? [to] : []
    } catch {
      return [] // that of the list itself
    }
  })
}

serve({ ...calls })
