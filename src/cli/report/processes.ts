// What the system tells of processes: what they run, and since when they and their threads have been there. Linux tells by
// /proc, others by ps(1); null where it does not tell.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const PROC = existsSync('/proc/self/stat')

/** A process has no more of it to say: whoever names it chooses what it says. */
const MOST_COMMAND = 4096

export function commandOf(pid: number): string | null {
  if (!PROC) return askPs(pid, 'command=')
  const words = text(`/proc/${pid}/cmdline`)?.slice(0, MOST_COMMAND).replace(/\0+$/, '').replaceAll('\0', ' ')
  return words === undefined || words === '' ? null : words
}

/** When it was started. */
export function startOf(pid: number): Date | null {
  if (PROC) return startOfThread(pid, String(pid))
  const started = Date.parse(askPs(pid, 'lstart=') ?? '')
  return Number.isNaN(started) ? null : new Date(started)
}

/** A process that has ended and was not reaped yet is not alive. */
export function isAlive(pid: number): boolean {
  if (PROC) return /^[^ZXx]/.test(fieldsOf(pid, String(pid))?.[0] ?? 'X')
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

export function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

export function startOfThread(pid: number, thread: string): Date | null {
  const ticks = ticksOf(pid, thread)
  const own = ticksOf(process.pid, String(process.pid))
  if (ticks === null || own === null) return null
  // Measured from our own start, whatever the system counts from: a container may have a clock of its own for that.
  return new Date(performance.timeOrigin + (ticks - own) * MILLISECONDS_A_TICK)
}

/** In clock ticks, since the system was started: tells a process from a later one of the same id. */
export function ticksOf(pid: number, thread = String(pid)): number | null {
  const ticks = Number(fieldsOf(pid, thread)?.[19])
  return Number.isSafeInteger(ticks) ? ticks : null
}

/** The same number on every Linux. */
const MILLISECONDS_A_TICK = 10

/** `812 (any text) S 1 …` from the state on: the name may have spaces and parentheses. */
function fieldsOf(pid: number, thread: string): string[] | null {
  const stat = text(`/proc/${pid}/task/${thread}/stat`)
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function text(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function askPs(pid: number, field: string): string | null {
  if (process.platform === 'win32') return null
  const env = { ...process.env, LC_ALL: 'C' }
  const { stdout, status } = spawnSync('ps', ['-ww', '-o', field, '-p', String(pid)], { encoding: 'utf8', env })
  return status === 0 ? stdout.trim() : null
}
