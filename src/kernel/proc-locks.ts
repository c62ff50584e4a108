// Which processes hold a flock, as far as Linux tells: /proc/locks. It is blind across PID namespaces, and on some
// filesystems (btrfs) its device numbers are not those of stat(), so it only ever adds to what a try has decided.

import type { ProcessHolder } from '../errors.js'
import { fs } from './late.js'

/** Empty where the system does not tell. */
export function processHolders(lockfile: string): ProcessHolder[] {
  try {
    const { dev, ino } = fs().statSync(lockfile)
    return parse(fs().readFileSync('/proc/locks', 'latin1'), `${deviceText(dev)}:${ino}`)
  } catch {
    return []
  }
}

/** `1: FLOCK  ADVISORY  WRITE 812 fe:00:1234 0 EOF`; waiters have an arrow behind the number. */
function parse(table: string, file: string): ProcessHolder[] {
  const holders: ProcessHolder[] = []
  for (const line of table.split('\n')) {
    const [, type, , access, pid, where] = line.split(/\s+/)
    if (type !== 'FLOCK' || where !== file) continue
    holders.push({ pid: Number(pid), mode: access === 'WRITE' ? 'exclusive' : 'shared' })
  }
  return holders
}

function deviceText(device: number): string {
  const major = (device >>> 8) & 0xfff
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  return `${hex(major)}:${hex(minor)}`
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0')
}
