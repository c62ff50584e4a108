// What became of everything: what stands in the database in the end, compared with what gateways have said. It uses nothing of
// what it judges but the names of columns and events.
import type { Told } from '../events.js'

export interface Row {
  readonly session: string
  readonly seq: number
  readonly id: string
  readonly fence: number
  /** When it was written, before it was committed. */
  readonly at: number
}

export interface Evidence {
  /** In the order of sessions and places. */
  readonly rows: readonly Row[]
  /** What the store says: how many lines a session has, and which is the last. */
  readonly entries: readonly { readonly session: string; readonly lines: number; readonly last: string }[]
  /** Of all programs, in the order of each. */
  readonly events: readonly Told[]
  /** Ids of messages that a gateway was sent which runs in the end. */
  readonly sent: readonly string[]
}

export interface Ledger {
  readonly lines: number
  readonly acknowledged: number
  readonly losses: number
  /** One sentence each. */
  readonly problems: readonly string[]
}

export function ledgerOf({ rows, entries, events, sent }: Evidence): Ledger {
  const acknowledged = events.filter((event) => event.event === 'acknowledged')
  const losses = events.filter((event) => event.event === 'lost')
  const promised = new Set(acknowledged.map(({ id }) => id))
  const problems: string[] = []

  for (const { session, id, seq } of acknowledged) {
    const there = rows.filter((row) => row.session === session && row.id === id)
    if (there.length === 0) problems.push(`${id} was acknowledged and is lost`)
    else if (there.length > 1) problems.push(`${id} is there ${there.length} times`)
    else if (there[0]?.seq !== seq) problems.push(`${id} was acknowledged at ${seq} and is at ${there[0]?.seq}`)
  }
  for (const id of sent) if (!promised.has(id)) problems.push(`${id} was sent and never acknowledged`)
  for (const { id } of rows)
    if (!sent.includes(id)) problems.push(`${id} is there, and nobody who may write was sent it`)
  for (const [index, row] of rows.entries()) {
    const before = rows[index - 1]
    const first = before?.session !== row.session
    if (row.seq !== (first ? 1 : before.seq + 1)) problems.push(`${row.session} has a hole before ${row.seq}`)
    if (!first && row.fence < before.fence) {
      problems.push(`${row.id} has the fence ${row.fence} after one with ${before.fence}`)
    }
  }
  for (const { session, lines, last } of entries) {
    const its = rows.filter((row) => row.session === session)
    if (its.length !== lines) problems.push(`the store says ${lines} lines of ${session}, and there are ${its.length}`)
    if (its.at(-1)?.id !== last) problems.push(`the store says that ${last} is the last line of ${session}`)
  }
  for (const { session, fence, at, held } of losses) {
    if (held) problems.push(`the hold ${fence} of ${session} was lost and said that it was held`)
    for (const row of rows) {
      if (row.session === session && row.fence === fence && row.at > at) {
        problems.push(`${row.id} was written ${row.at - at} ms after its writer knew that it had lost the lock`)
      }
    }
  }
  return { lines: rows.length, acknowledged: promised.size, losses: losses.length, problems: [...new Set(problems)] }
}
