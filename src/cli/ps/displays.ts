// How a watch is shown: to a person in place, to everything else as a line for each change.
import { duration } from '../report/duration.js'
import { lockName } from '../report/place.js'
import { table } from '../table.js'
import { painted, widthOf, type Terminal } from '../terminal.js'
import { cut, escaped } from '../text.js'
import { changeJson } from './json.js'
import type { Lock } from './lock.js'
import { COLUMNS, labelOf, rowsOf, summary, type Rules } from './rows.js'
import { Screen } from './screen.js'
import type { Change } from './tracker.js'

export interface Sight {
  readonly locks: readonly Lock[]
  readonly changes: readonly Change[]
  readonly problems: readonly string[]
}

export interface Display {
  show(sight: Sight, rules: Omit<Rules, 'width'>): void
  close(): void
}

export function log(terminal: Terminal, json: boolean): Display {
  let told = ''
  return {
    show({ changes, problems }, { now }) {
      const lines = changes.map((change) => (json ? changeJson(change, now) : `${changeText(change, now)}\n`))
      if (lines.length > 0) terminal.out.write(lines.join(''))
      if (problems.join() !== told)
        for (const problem of problems) terminal.err.write(`holdfast: ${escaped(problem)}\n`)
      told = problems.join()
    },
    close: () => undefined,
  }
}

export function view(terminal: Terminal, shown: (lock: Lock) => boolean, quit: () => void): Display {
  let draw = (): void => undefined
  const screen = new Screen(terminal, () => draw(), quit)
  screen.open()
  return {
    show({ locks, problems }, rules) {
      draw = () => screen.draw(page(terminal, screen.rows, { locks, problems }, shown, rules))
      draw()
    },
    close: () => screen.close(),
  }
}

/** No more lines than there are, and none is wider than the terminal. */
function page(
  terminal: Terminal,
  height: number,
  { locks, problems }: Pick<Sight, 'locks' | 'problems'>,
  shown: (lock: Lock) => boolean,
  rules: Omit<Rules, 'width'>,
): string[] {
  const width = widthOf(terminal)
  // Where somebody waits comes first.
  const sorted = locks.filter(shown).sort((one, other) => Number(isQuiet(one)) - Number(isQuiet(other)))
  const rows = sorted.flatMap((lock) => rowsOf(lock, { ...rules, width }))
  const room = Math.max(0, height - 3)
  const more = rows.length > room ? `… and ${rows.length - room} more` : 'q: quit'
  const footer = painted(terminal, 'dim', cut(problems[0] === undefined ? more : escaped(problems[0]), width))
  const header = cut(`${rules.now.toTimeString().slice(0, 8)}  ${summary(locks)}`, width)
  return [header, ...table(terminal, COLUMNS, rows.slice(0, room)), footer].slice(0, height)
}

function isQuiet({ waiters }: Lock): boolean {
  return waiters.length === 0
}

export function changeText({ event, lockfile, who, since, holds, problem }: Change, at: Date): string {
  const words = [at.toISOString(), event.padEnd(9), escaped(lockName(lockfile))]
  if (problem !== undefined) words.push(escaped(problem))
  if (who === null) return words.join(' ')
  words.push(`pid ${who.pid ?? '?'}`)
  if (since !== null && event !== 'waiting') words.push(duration(at.getTime() - since.getTime()))
  if (event === 'overdue') words.push(holds === true ? 'held' : 'waiting')
  if (event === 'left') words.push(holds === true ? 'granted' : 'not granted')
  if ('mode' in who && who.mode === 'shared') words.push('shared')
  const label = 'label' in who ? labelOf(who) : ''
  if (label !== '') words.push(`"${label}"`)
  if ('reason' in who && who.reason !== null) words.push(`(${escaped(who.reason)})`)
  if ('command' in who && who.command !== null) words.push(escaped(who.command))
  return words.join(' ')
}
