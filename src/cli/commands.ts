// Which commands there are. Each is loaded when it is asked for: starting takes no longer for what is not used.
import type { Command } from './command.js'

export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  // a command under a lock
  run: async () => (await import('./run.js')).run,
  // who holds, who waits
  ps: async () => (await import('./ps.js')).ps,
  // does locking work here
  doctor: async () => (await import('./doctor.js')).doctor,
  // lock files that nobody needs
  clean: async () => (await import('./clean.js')).clean,
}

/** The command somebody may have meant. */
export function nearest(name: string): string | undefined {
  const near = Object.keys(COMMANDS).map((known) => ({ known, distance: distance(name, known) }))
  return near.filter(({ distance }) => distance <= 2).sort((a, b) => a.distance - b.distance)[0]?.known
}

/** How many letters must be put in, left out or changed. */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 0; row < from.length; row++) {
    const line = [row + 1]
    for (let at = 0; at < to.length; at++) {
      const changed = (above[at] ?? 0) + (from[row] === to[at] ? 0 : 1)
      line.push(Math.min(changed, (above[at + 1] ?? 0) + 1, (line[at] ?? 0) + 1))
    }
    above = line
  }
  return above[to.length] ?? 0
}
