// Locks as rows of a table: one for each holder, waiter and death.
import { duration } from '../report/duration.js'
import { endOf, lockName } from '../report/place.js'
import type { Style } from '../styles.js'
import type { Cell, Column } from '../table.js'
import { escaped } from '../text.js'
import type { Holder, Lock, Waiter } from './lock.js'

export const COLUMNS: readonly Column[] = [
  { title: 'FILE', cut: true },
  { title: 'STATE' },
  { title: 'PID', right: true },
  { title: 'FOR', right: true },
  { title: 'LABEL', cut: true },
  { title: 'COMMAND', cut: true },
]

/** Of the width; the rest is for who it is. */
const NAME_SHARE = 0.4

export interface Rules {
  readonly now: Date
  /** From how many milliseconds on something stands out. */
  readonly limit: number
  /** What names are told from. */
  readonly here: string
  /** Columns of the terminal; Infinity where nobody watches. */
  readonly width: number
}

export function rowsOf(lock: Lock, rules: Rules): Cell[][] {
  const { holders, waiters, abandoned, state, problem } = lock
  const rows = [
    ...holders.map((each) => row(each.mode === 'shared' ? 'shared' : 'held', 'yellow', each, labelOf(each), rules)),
    ...waiters.map((each) => row('waiting', 'cyan', each, '', rules)),
  ]
  if (abandoned !== null) {
    const end = abandoned.state === 'revoked' ? `(ended: ${escaped(abandoned.reason ?? 'unknown')})` : '(died)'
    const { pid, since } = abandoned
    const label = labelOf({ ...abandoned, host: null })
    rows.push([{ text: 'abandoned', style: 'red' }, String(pid), ago(since, rules), label, end])
  }
  if (rows.length === 0)
    rows.push([{ text: state, style: problem === null ? 'dim' : 'red' }, '', '', '', escaped(problem ?? '')])
  const name = endOf(escaped(lockName(lock.lockfile, rules.here)), Math.floor(rules.width * NAME_SHARE))
  return rows.map((cells, index) => [index === 0 ? name : '', ...cells])
}

function row(state: string, style: Style, who: Holder | Waiter, label: string, rules: Rules): Cell[] {
  const { pid, since, command } = who
  const isSure = !('confirmed' in who) || who.confirmed
  const lasts = since === null ? 0 : rules.now.getTime() - since.getTime()
  const time: Cell = lasts >= rules.limit ? { text: ago(since, rules), style: 'red' } : ago(since, rules)
  const process = pid === null ? '?' : isSure ? String(pid) : `${pid}?`
  return [{ text: state, style }, process, time, label, escaped(command ?? '')]
}

function ago(since: Date | null, { now }: Rules): string {
  return since === null ? '' : duration(now.getTime() - since.getTime())
}

export function labelOf({ owner, label, host }: Pick<Holder, 'owner' | 'label' | 'host'>): string {
  const names = [owner, label].filter((name) => name !== null && name !== '').join(' / ')
  return escaped(host === null ? names : `${names} @${host}`.trim())
}

export function summary(locks: readonly Lock[]): string {
  const count = (state: Lock['state']): number => locks.filter((lock) => lock.state === state).length
  const waiting = locks.reduce((sum, { waiters }) => sum + waiters.length, 0)
  const parts = [`${count('held')} held`, `${count('shared')} shared`, `${waiting} waiting`]
  parts.push(`${locks.filter(({ abandoned }) => abandoned !== null).length} abandoned`, `${count('free')} free`)
  const unknown = count('unknown')
  return [...parts, ...(unknown === 0 ? [] : [`${unknown} unknown`])].join(', ')
}
