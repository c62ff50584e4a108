// `holdfast ps`: who holds which lock, who waits for it, and who died.
import { parseArgs } from 'node:util'

import { UsageError, type Command } from './command.js'
import { EXIT } from './exit-codes.js'
import { changeText, log, view } from './ps/displays.js'
import { lockJson } from './ps/json.js'
import { isFree, type Lock } from './ps/lock.js'
import { lookAt } from './ps/look.js'
import { lockFilesOf } from './ps/places.js'
import { COLUMNS, rowsOf, summary } from './ps/rows.js'
import { Tracker } from './ps/tracker.js'
import { watch } from './ps/watch.js'
import { isSeconds, seconds } from './report/seconds.js'
import { table } from './table.js'
import { widthOf, type Terminal } from './terminal.js'
import { escaped } from './text.js'

const HELP = `Usage: holdfast ps [OPTION…] [FILE|DIR…]

Shows who holds which lock, who waits for it, since when, and whose holder died.
A FILE is the one that is locked, or a lock file itself; a DIR is searched for
lock files; without any, the current folder is. Nothing is made or kept locked.

  -a, --all                 show free locks too
  -r, --recursive           search folders in folders too; no links are followed
  -w, --watch [SECONDS]     look again each second, or each SECONDS: in place on
                            a terminal, a line for each change elsewhere
      --for SECONDS         watch no longer than that
      --longer-than SECONDS exit with 1 if a lock is held or waited for as long
                            as that; a watch ends with it
      --json                a line of JSON for each lock, or for each change
  -h, --help                print this text

Exits with 0; 1 if anything has lasted as long as --longer-than; 71 when the
system refuses; 64 when the arguments make no sense.
`

interface Options {
  readonly places: readonly string[]
  readonly all: boolean
  readonly recursive: boolean
  readonly json: boolean
  /** Milliseconds; Infinity is none. */
  readonly limit: number
  /** Milliseconds from one look to the next; null: one look. */
  readonly interval: number | null
  readonly lasts: number
}

export const ps: Command = {
  name: 'ps',
  summary: 'show who holds which lock, and who waits',
  help: HELP,
  async run(args, terminal) {
    const options = optionsOf(args)
    return options.interval === null ? once(options, terminal) : repeatedly(options, options.interval, terminal)
  },
}

async function once({ places, all, recursive, json, limit }: Options, terminal: Terminal): Promise<number> {
  const { lockfiles, named, problems, here } = await lockFilesOf(places, recursive)
  const seen = await lookAt(lockfiles)
  const now = new Date()
  const { locks, changes } = new Tracker(limit).update(seen, now)
  const shown = locks.filter((lock) => all || !isFree(lock) || named.has(lock.lockfile))
  for (const problem of problems) terminal.err.write(`holdfast: ${escaped(problem)}\n`)
  if (json) {
    for (const lock of shown) terminal.out.write(lockJson(lock, now))
  } else {
    const rows = shown.flatMap((lock) => rowsOf(lock, { now, limit, here, width: widthOf(terminal) }))
    const lines = rows.length === 0 ? [] : [...table(terminal, COLUMNS, rows), '']
    terminal.out.write(`${[...lines, summary(locks)].join('\n')}\n`)
  }
  return changes.some(({ event }) => event === 'overdue') ? EXIT.failed : EXIT.ok
}

async function repeatedly(options: Options, interval: number, terminal: Terminal): Promise<number> {
  const { places, all, recursive, json, limit, lasts } = options
  const tracker = new Tracker(limit)
  const ending = new AbortController()
  const quit = (): void => ending.abort()
  let named: ReadonlySet<string> = new Set()
  const shown = (lock: Lock): boolean => all || !isFree(lock) || named.has(lock.lockfile)
  const inPlace = !json && terminal.out.isTTY && process.env.TERM !== 'dumb'
  const display = inPlace ? view(terminal, shown, quit) : log(terminal, json)
  let over: string | undefined
  try {
    await watch({ interval, lasts, ending }, async () => {
      const found = await lockFilesOf(places, recursive)
      named = found.named
      const seen = await lookAt(found.lockfiles)
      const now = new Date()
      const { locks, changes } = tracker.update(seen, now)
      display.show({ locks, changes, problems: found.problems }, { now, limit, here: found.here })
      const late = changes.find(({ event }) => event === 'overdue')
      if (late === undefined) return
      over = changeText(late, now)
      quit()
    })
  } finally {
    display.close()
  }
  if (over === undefined) return EXIT.ok
  if (inPlace) terminal.out.write(`${over}\n`)
  return EXIT.failed
}

function optionsOf(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: withWatchValue(args),
    allowPositionals: true,
    options: {
      all: { type: 'boolean', short: 'a', default: false },
      recursive: { type: 'boolean', short: 'r', default: false },
      watch: { type: 'string' },
      for: { type: 'string' },
      'longer-than': { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const { all, recursive, json, watch } = values
  if (watch === undefined && values.for !== undefined) throw new UsageError('--for is for --watch')
  return {
    places: positionals.length === 0 ? ['.'] : positionals,
    all,
    recursive,
    json,
    limit: milliseconds('--longer-than', values['longer-than']) ?? Infinity,
    interval: watch === undefined ? null : Math.max(SHORTEST, milliseconds('--watch', watch) ?? 0),
    lasts: milliseconds('--for', values.for) ?? Infinity,
  }
}

/** A look costs something to those who are looked at. */
const SHORTEST = 50

/** A number behind --watch is its value, though it has one without. */
function withWatchValue(args: readonly string[]): string[] {
  const complete: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    const next = args[at + 1] ?? ''
    if (arg === '--') return [...complete, ...args.slice(at)]
    if (arg !== '--watch' && arg !== '-w') complete.push(arg)
    else if (isSeconds(next)) complete.push(`--watch=${args[++at]}`)
    else complete.push('--watch=1')
  }
  return complete
}

function milliseconds(option: string, text: string | undefined): number | null {
  return text === undefined ? null : seconds(option, text) * 1000
}
