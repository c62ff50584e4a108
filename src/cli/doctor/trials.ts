// Locking as it is: two processes that take, refuse, wait, die and hand over, in the folder that is asked about.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { acquire, inspect, tryAcquire, type Hold } from '../../index.js'
import { failed, ok, warning, type Check } from './check.js'
import { PATIENCE, type Peer } from './peer.js'

export interface Bench {
  /** A folder for files that may be locked. */
  readonly folder: string
  /** Starts another process, which ends with this one. */
  readonly peer: () => Promise<Pick<Peer, 'pid' | 'ask' | 'kill'>>
}

/** Longer than a wait needs to get into the kernel's queue. */
const TO_BLOCK = 30
const ROUNDS = 21

const DO_NOT_RELY = 'do not rely on locks here; please report this'

export async function tryExclusion({ folder, peer }: Bench): Promise<Check> {
  const file = join(folder, 'exclusion')
  const other = await peer()
  const own = mine(file)
  const both = (await other.ask('try', file)) !== null
  own.release()
  const after = (await other.ask('try', file)) !== null
  const intruder = tryAcquire(file)
  intruder?.release()
  other.kill()
  if (both || intruder !== null) return failed('exclusion', 'two processes held one lock at the same time', DO_NOT_RELY)
  if (!after) return failed('exclusion', 'a lock that was released is not granted to another process', DO_NOT_RELY)
  return ok('exclusion', 'two processes exclude each other')
}

export async function tryShared({ folder, peer }: Bench): Promise<Check> {
  const file = join(folder, 'shared')
  const other = await peer()
  const own = mine(file, 'shared')
  const together = (await other.ask('try', file, 'shared')) !== null
  const against = (await other.ask('try', file, 'exclusive')) !== null
  own.release()
  await other.ask('try', file, 'exclusive')
  const intruder = tryAcquire(file, { mode: 'shared' })
  intruder?.release()
  other.kill()
  if (against || intruder !== null)
    return failed('shared', 'shared and exclusive holds do not exclude each other', DO_NOT_RELY)
  if (!together) return failed('shared', 'two processes cannot share a lock', DO_NOT_RELY)
  return ok('shared', 'shared holds go together, and exclude exclusive ones')
}

export async function tryDeath({ folder, peer }: Bench): Promise<Check> {
  const file = join(folder, 'death')
  const other = await peer()
  await other.ask('acquire', file)
  const wait = acquire(file, { timeout: PATIENCE })
  wait.catch(() => undefined) // what is refused at once is told below, after the holder was killed
  await pause(TO_BLOCK)
  const start = performance.now()
  other.kill()
  try {
    const hold = await wait
    const took = performance.now() - start
    const told = hold.recoveredFrom?.pid === other.pid
    hold.release()
    const text = `granted ${took.toFixed(1)} ms after its holder was killed`
    if (told) return ok('death', text, took)
    return warning(
      'death',
      `${text}; the next holder was not told of the death`,
      'no record can be written: see the next line',
    )
  } catch (error) {
    return failed('death', `not granted after its holder was killed: ${messageOf(error)}`, DO_NOT_RELY)
  }
}

export async function tryHandOver({ folder, peer }: Bench): Promise<Check> {
  const file = join(folder, 'hand-over')
  const other = await peer()
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const own = mine(file)
    const granted = other.ask('acquire', file)
    await pause(round === 0 ? TO_BLOCK : 5)
    const start = process.hrtime.bigint()
    own.release()
    const at = await granted
    if (at === null) return failed('hand-over', 'a waiting process is not granted a lock that is released', DO_NOT_RELY)
    times.push(Number(at - start) / 1e6)
    await other.ask('release', file)
  }
  other.kill()
  times.sort((one, another) => one - another)
  const median = times[Math.floor(ROUNDS / 2)] ?? 0
  return ok(
    'hand-over',
    `to a waiting process in ${median.toFixed(2)} ms (median), ${times.at(-1)?.toFixed(1)} ms at worst`,
    median,
  )
}

export function tryRecord({ folder }: Bench): Promise<Check> {
  const file = join(folder, 'record')
  const hold = mine(file)
  const kernel = inspect(file).holders.some(({ pid }) => pid === process.pid)
  const recorded = hold.fence !== null
  hold.release()
  const names = kernel ? 'the kernel tells which process holds' : 'only the record tells which process holds'
  if (recorded) return Promise.resolve(ok('record', `records and fencing numbers are kept; ${names}`))
  const text = `lock files carry no record here, so no fencing numbers and no word of a death; ${names}`
  return Promise.resolve(warning('record', text, 'see the event holdfast:fallback for the reason'))
}

/** Null where there is no flock(1). */
export async function tryFlock({ folder }: Bench): Promise<Check | null> {
  const file = join(folder, 'flock')
  const own = mine(file)
  const refused = spawnSync('flock', ['--nonblock', own.lockfile, 'true'], { timeout: PATIENCE })
  own.release()
  if (refused.error !== undefined) return null
  const granted = spawnSync('flock', ['--nonblock', own.lockfile, 'true'], { timeout: PATIENCE })
  const holder = spawn('flock', [own.lockfile, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  await once(holder.stdout, 'data', { signal: AbortSignal.timeout(PATIENCE) })
  const intruder = tryAcquire(file)
  intruder?.release()
  holder.stdin.end()
  await once(holder, 'exit', { signal: AbortSignal.timeout(PATIENCE) })
  if (refused.status === 0 || intruder !== null) {
    return failed('flock(1)', 'it does not exclude holdfast, nor holdfast it', 'do not use both on one file here')
  }
  if (granted.status !== 0)
    return failed('flock(1)', `it fails with ${granted.status}`, 'do not use both on one file here')
  return ok('flock(1)', 'excludes holdfast, and holdfast it')
}

function mine(file: string, mode: 'exclusive' | 'shared' = 'exclusive'): Hold {
  const hold = tryAcquire(file, { mode })
  if (hold === null) throw new Error('a lock that nobody can have is not granted')
  return hold
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
