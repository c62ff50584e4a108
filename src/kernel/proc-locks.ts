// Which processes hold a flock and which wait for it, as far as Linux tells: /proc/locks. It is blind across PID namespaces,
// and on some filesystems (btrfs) its device numbers are not those of stat(), so it only ever adds to what a try has
// decided.

import type { ProcessHolder } from '../errors.js'
import { fs } from './late.js'

export interface KernelQueue {
  readonly holders: readonly ProcessHolder[]
  /** Blocked in the kernel; who waits behind another of its own process is not seen. */
  readonly waiters: readonly ProcessHolder[]
}

/** Empty where the system does not tell. */
export function processHolders(lockfile: string): readonly ProcessHolder[] {
  return read(lockfile).holders
}

/**
 * The kernel hands its table out a page at a time, and who locks or unlocks anything between two pages makes it repeat an
 * entry or leave one out: so it is read until it says the same twice, or has changed too often. Empty where the system does
 * not tell.
 */
export function kernelQueue(lockfile: string): KernelQueue {
  let last = read(lockfile)
  for (let reads = 1; reads < MOST_READS; reads++) {
    const next = read(lockfile)
    if (isSame(last, next)) break
    last = next
  }
  return last
}

const MOST_READS = 5

function isSame(one: KernelQueue, other: KernelQueue): boolean {
  const text = ({ holders, waiters }: KernelQueue): string =>
    [...holders, null, ...waiters].map((entry) => `${entry?.pid} ${entry?.mode}`).join()
  return text(one) === text(other)
}

function read(lockfile: string): KernelQueue {
  try {
    const { dev, ino } = fs().statSync(lockfile)
    return parse(fs().readFileSync('/proc/locks', 'latin1'), `${deviceText(dev)}:${ino}`)
  } catch {
    return { holders: [], waiters: [] }
  }
}

/** `1: FLOCK  ADVISORY  WRITE 812 fe:00:1234 0 EOF`; waiters have an arrow behind the number. */
function parse(table: string, file: string): KernelQueue {
  const holders: ProcessHolder[] = []
  const waiters: ProcessHolder[] = []
  for (const line of table.split('\n')) {
    if (!line.includes(file)) continue
    const fields = line.split(/\s+/).slice(1)
    const blocked = fields[0] === '->'
    const [type, , access, pid, where] = blocked ? fields.slice(1) : fields
    if (type !== 'FLOCK' || where !== file) continue
    const mode = access === 'WRITE' ? 'exclusive' : 'shared'
    ;(blocked ? waiters : holders).push({ pid: Number(pid), mode })
  }
  return { holders, waiters }
}

function deviceText(device: number): string {
  const major = (device >>> 8) & 0xfff
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  return `${hex(major)}:${hex(minor)}`
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0')
}
