// The list with which a gateway starts: whose work was cut off, session by session.
//
// A session's lock file says `held` and nobody holds it: its holder died. That is the kernel's word, so a holder in another
// container, whose process id means nothing here, is never taken for dead. Files of old gateways are judged as those judge
// them, and only while the kernel's lock is ours.
import { realpathSync, type Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'

import { entries, path } from '../../arguments.js'
import { invalidType, visible } from '../../errors.js'
import { inspect, tryAcquire, type LockRecord } from '../../index.js'
import { codeOf, isWritten, judge, readLegacyFile, removeLegacyFile, type LegacyFile } from './legacy-file.js'
import { finite, resolveSessionWriteLockOptions, type Environment, type SessionWriteLockConfig } from './settings.js'

/** One session that is locked, or whose holder died. */
export interface SessionLockInspection {
  /** The session file with `.lock` added, as the field names locks: not a file that must exist. */
  lockPath: string
  /** Of the holder, as far as it is known. A hint. */
  pid: number | null
  /** Whether the holder lives: where it holds the kernel's lock, whatever its process id means here. */
  pidAlive: boolean
  /** When it began, in ISO format. */
  createdAt: string | null
  ageMs: number | null
  /** Nobody holds it any more, and whoever did was cut off. */
  stale: boolean
  /** `dead-pid`; of files of old gateways also `missing-pid`, `recycled-pid`, `invalid-createdAt`, `too-old`. */
  staleReasons: string[]
  /** It is not going to be listed again. */
  removed: boolean
}

export interface CleanStaleLockFilesParams {
  sessionsDir: string
  /** Whether what is stale is cleared, so that it is listed once; true by default. */
  removeStale?: boolean | undefined
  /** From which age on a file of an old gateway is stale though its process lives; 1,800,000 by default. */
  staleMs?: number | undefined
  nowMs?: number | undefined
  config?: SessionWriteLockConfig | null | undefined
  env?: Environment | undefined
  /** Means nothing. */
  readOwnerProcessArgs?: ((pid: number) => string[] | null) | undefined
  log?: { warn?: (message: string) => void; info?: (message: string) => void } | undefined
}

export interface StaleLockFiles {
  /** Every session that is locked or stale, in the order of their names. */
  locks: SessionLockInspection[]
  /** Those that were stale and are cleared. */
  cleaned: SessionLockInspection[]
}

const PARAMS = [
  'sessionsDir',
  'removeStale',
  'staleMs',
  'nowMs',
  'config',
  'env',
  'readOwnerProcessArgs',
  'log',
] as const satisfies (keyof CleanStaleLockFilesParams)[]

const LOCK_FILE = '.hold'
const LEGACY_FILE = '.lock'

/** How many files are looked at before others have their turn. */
const BATCH = 32

interface Rules {
  readonly staleMs: number
  readonly now: number
}

export async function cleanStaleLockFiles(params: CleanStaleLockFilesParams): Promise<StaleLockFiles> {
  entries(params, PARAMS)
  const folder = resolve(path('params.sessionsDir', params.sessionsDir))
  const { removeStale = true, nowMs = Date.now(), log } = params
  if (typeof removeStale !== 'boolean') throw invalidType('params.removeStale', 'a boolean', removeStale)
  const { staleMs } = resolveSessionWriteLockOptions(params.config, { env: params.env })
  const rules = { staleMs: finite(params.staleMs) ?? staleMs, now: nowMs }
  const locks: SessionLockInspection[] = []
  let looked = 0
  for (const name of await sessionNames(folder)) {
    if (++looked % BATCH === 0) await turn()
    const file = join(folder, name)
    try {
      const found = look(file, rules)
      const lock = found?.stale === true && removeStale ? clear(file, rules) : found
      if (lock === null) continue
      locks.push(lock)
      const removal = `removed stale session lock: ${lock.lockPath} (${lock.staleReasons.join(', ')})`
      if (lock.removed) log?.warn?.(visible(removal))
    } catch (error) {
      // One file that cannot be looked at is no reason not to start.
      log?.warn?.(visible(`could not look at the session lock of ${file}: ${String(error)}`))
    }
  }
  return { locks, cleaned: locks.filter(({ removed }) => removed) }
}

/** Of the session files that have, or may have, a lock file. Their own files may be gone. */
async function sessionNames(folder: string): Promise<string[]> {
  const names = new Set<string>()
  for (const entry of await entriesOf(folder)) {
    for (const suffix of [LOCK_FILE, LEGACY_FILE]) {
      if (entry.name.endsWith(`.jsonl${suffix}`)) names.add(entry.name.slice(0, -suffix.length))
    }
    if (entry.name.endsWith('.jsonl') && entry.isSymbolicLink() && !leadsToAnother(folder, entry.name)) {
      names.add(entry.name)
    }
  }
  return [...names].sort()
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/** The lock of such a link is that of another session of the same folder, and listed there. */
function leadsToAnother(folder: string, name: string): boolean {
  try {
    const target = realpathSync(join(folder, name))
    return dirname(target) === realpathSync(folder) && basename(target).endsWith('.jsonl')
  } catch {
    return false
  }
}

/** Null where nobody holds it and nobody died. */
function look(file: string, rules: Rules): SessionLockInspection | null {
  const { state, record, holders } = inspect(file)
  const legacy = readLegacyFile(file + LEGACY_FILE)
  const died = state === 'abandoned' && record?.state === 'held' ? record : null
  if (state === 'held') {
    const known = record?.state === 'held' ? record : null
    const pid = known?.pid ?? holders[0]?.pid ?? legacy?.pid ?? null
    return inspection(file, rules, { pid, pidAlive: true, since: known?.since ?? legacy?.createdAt, staleReasons: [] })
  }
  const judged = ofLegacy(file, legacy, rules)
  return died !== null && judged?.stale !== false ? ofDead(file, died, rules) : judged
}

/** What is stale is cleared under its lock: so that each death is told once, however many processes start at once. */
function clear(file: string, rules: Rules): SessionLockInspection | null {
  const hold = tryAcquire(file, { label: 'session-write-lock' })
  if (hold === null) return look(file, rules)
  try {
    const died = hold.recoveredFrom?.state === 'held' ? hold.recoveredFrom : null
    const legacy = readLegacyFile(file + LEGACY_FILE)
    const judged = ofLegacy(file, legacy, rules)
    const gone = legacy === null || judged?.stale !== true || (isWritten(legacy) && removeLegacyFile(legacy))
    // Where no record could be written, the next release cannot say that nobody died either.
    if (died !== null) return { ...ofDead(file, died, rules), removed: gone && hold.fence !== null }
    if (judged !== null) return { ...judged, removed: judged.stale && gone }
    return null
  } finally {
    hold.release()
  }
}

function ofDead(file: string, { pid, since }: LockRecord, rules: Rules): SessionLockInspection {
  return inspection(file, rules, { pid, pidAlive: false, since, staleReasons: ['dead-pid'] })
}

/** Null where there is none, or something that no gateway made. */
function ofLegacy(file: string, legacy: LegacyFile | null, rules: Rules): SessionLockInspection | null {
  if (legacy === null || legacy.text === null) return null
  const { pidAlive, staleReasons } = judge(legacy, rules.staleMs, rules.now)
  return inspection(file, rules, { pid: legacy.pid, pidAlive, since: legacy.createdAt, staleReasons })
}

interface Facts {
  readonly pid: number | null
  readonly pidAlive: boolean
  readonly since: Date | null | undefined
  readonly staleReasons: string[]
}

function inspection(
  file: string,
  { now }: Rules,
  { pid, pidAlive, since, staleReasons }: Facts,
): SessionLockInspection {
  return {
    lockPath: file + LEGACY_FILE,
    pid,
    pidAlive,
    createdAt: since?.toISOString() ?? null,
    ageMs: since == null ? null : Math.max(0, now - since.getTime()),
    stale: staleReasons.length > 0,
    staleReasons,
    removed: false,
  }
}
