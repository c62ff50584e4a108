// A quiet moment: nothing is done to anybody, and every lane stays where it is. Then the database keeps exactly what the
// processes say they hold, and waits are those that somebody waits for.
//
// Time-outs and limits go on, and what was let go of reaches the server later, so it is looked again until all stand still.
import { setTimeout as pause } from 'node:timers/promises'

import type { Keys } from './keys.js'
import type { State } from './orders.js'
import { numberOfApplication } from './plan.js'
import type { PostgresServer } from './server.js'
import { LOCKS, type LockRow } from './watch.js'

/** Longer than any limit and time-out of a lane, and than the server keeps what a dead host had. */
const PATIENCE = 20_000

export type Ask = () => Promise<ReadonlyMap<number, State>>

/** What the two sides do not agree on; nothing, if all is well. */
export async function differences(server: PostgresServer, keys: Keys, ask: Ask): Promise<string[]> {
  let found: string[] = []
  for (const end = performance.now() + PATIENCE; performance.now() < end;) {
    const before = await ask()
    const rows = await server.query<LockRow>(LOCKS)
    const after = await ask()
    const still = JSON.stringify([...before]) === JSON.stringify([...after])
    found = still ? compare(rows, after, keys) : ['the processes do not stand still']
    if (found.length === 0) break
    await pause(50)
  }
  return found
}

function compare(rows: readonly LockRow[], states: ReadonlyMap<number, State>, keys: Keys): string[] {
  const found: string[] = []
  const kept = new Set<string>()
  for (const row of rows) {
    const { application, pid, granted } = row
    const named = keys.find(row)
    const number = numberOfApplication(application ?? '')
    if (named === null || number === 0) {
      found.push(`${application} has a lock that nobody knows: ${row.classid} ${row.objid}`)
      continue
    }
    const { name, which } = named
    const mode = row.mode === 'ShareLock' ? 'shared' : 'exclusive'
    const what = `process ${number} (session ${pid}): ${which} of ${name}, ${mode}`
    if (granted && which === 'lock') kept.add(`${number} ${name} ${mode}`)
    if (!granted && states.get(number)?.wanted.includes(name) !== true) found.push(`${what}: it waits for nobody`)
    if (granted && which === 'turnstile') {
      const reason = rows.some((other) => other.pid === pid && isLockOf(keys, other, name))
      if (!reason) found.push(`${what}: it has no lock there, and waits for none`)
    }
  }
  const told = new Set<string>()
  for (const [number, { holds }] of states) for (const { name, mode } of holds) told.add(`${number} ${name} ${mode}`)
  for (const one of kept) if (!told.has(one)) found.push(`the database keeps what nobody holds: ${one}`)
  for (const one of told) if (!kept.has(one)) found.push(`the database does not keep what is held: ${one}`)
  return found
}

function isLockOf(keys: Keys, row: LockRow, name: string): boolean {
  const named = keys.find(row)
  return named?.name === name && named.which === 'lock'
}
