// `holdfast doctor`: does locking work here?
import { subscribe } from 'node:diagnostics_channel'
import { realpath } from 'node:fs/promises'
import { parseArgs } from 'node:util'

import { filesystemOf } from '../cli-door.js'
import { UsageError, type Command } from './command.js'
import { failed, type Check } from './doctor/check.js'
import { checkFilesystem, checkPermissions, checkRoutes } from './doctor/folder.js'
import { PEER, runAsPeer } from './doctor/peer.js'
import { checkAddon, checkSystem } from './doctor/surroundings.js'
import { tryDeath, tryExclusion, tryFlock, tryHandOver, tryRecord, tryShared } from './doctor/trials.js'
import { Workshop } from './doctor/workshop.js'
import { EXIT } from './exit-codes.js'
import { jsonLine } from './report/json.js'
import { withoutHome } from './report/place.js'
import { wrapped } from './report/wrap.js'
import type { Style } from './styles.js'
import { painted, type Terminal } from './terminal.js'
import { escaped } from './text.js'

const HELP = `Usage: holdfast doctor [--json] [DIR]

Finds out whether locking works in DIR, or in the current folder: where it lies,
and with processes that really lock, wait and are killed, in a folder that is
removed again. What it prints is made for a bug report: it names no hosts, users
or servers, and the home folder is ~.

      --json  one line of JSON
  -h, --help  print this text

Exits with 0; 1 if anything failed; 71 when the system refuses; 64 when the
arguments make no sense.
`

const TRIALS = [
  { name: 'exclusion', run: tryExclusion },
  { name: 'shared', run: tryShared },
  { name: 'death', run: tryDeath },
  { name: 'record', run: tryRecord },
  { name: 'hand-over', run: tryHandOver },
  { name: 'flock(1)', run: tryFlock },
]

export const doctor: Command = {
  name: 'doctor',
  summary: 'find out whether locking works here',
  help: HELP,
  async run(args, terminal) {
    if (args[0] === PEER && process.connected) {
      await runAsPeer()
      return EXIT.ok
    }
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    })
    const [folder = '.', ...more] = positionals
    if (more.length > 0) throw new UsageError('name one DIR')
    const checks: Check[] = []
    subscribe('holdfast:fallback', () => undefined) // is told here, and not as a warning of the library as well
    for await (const check of examine(await realpath(folder))) {
      checks.push(check)
      if (!values.json) terminal.out.write(lines(terminal, check))
    }
    const works = checks.every(({ status }) => status !== 'failed')
    terminal.out.write(values.json ? jsonLine({ works, checks }) : verdict(checks))
    return works ? EXIT.ok : EXIT.failed
  },
}

async function* examine(folder: string): AsyncGenerator<Check> {
  yield checkSystem()
  const addon = checkAddon(folder)
  yield addon
  if (addon.status === 'failed') return
  const filesystem = filesystemOf(folder)
  yield checkFilesystem(folder, filesystem)
  yield checkRoutes(filesystem)
  let workshop: Workshop
  try {
    workshop = new Workshop(folder)
  } catch (error) {
    yield failed('permissions', messageOf(error), 'lock files need a folder where files can be made')
    return
  }
  try {
    yield checkPermissions(folder)
    if (filesystem.kind === 'broken') return
    for (const { name, run } of TRIALS) {
      const check = await Promise.resolve(workshop)
        .then(run)
        .catch((error: unknown) => failed(name, messageOf(error), 'please report this'))
      if (check !== null) yield check
    }
  } finally {
    workshop.close()
  }
}

const STYLES: Record<Check['status'], Style> = { ok: 'green', warning: 'yellow', failed: 'red' }

/** For a bug report, and for a narrow terminal. */
const WIDTH = 80
const INDENT = 22

function lines(terminal: Terminal, { name, status, text, advice }: Check): string {
  const [first = '', ...rest] = [
    ...wrapped(escaped(text), WIDTH - INDENT),
    ...(advice === undefined ? [] : wrapped(`→ ${escaped(advice)}`, WIDTH - INDENT)),
  ]
  const head = `${painted(terminal, STYLES[status], status.padEnd(9))}${name.padEnd(INDENT - 9)}${first}`
  return `${[head, ...rest.map((line) => ' '.repeat(INDENT) + line)].join('\n')}\n`
}

function verdict(checks: readonly Check[]): string {
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length
  const bad = count('failed')
  const warnings = count('warning')
  if (bad > 0) return `\nLocking does not work here: ${bad} failed, ${counted(warnings)}.\n`
  return `\nLocking works here${warnings === 0 ? '' : `, with ${counted(warnings)}`}.\n`
}

function counted(warnings: number): string {
  return `${warnings} warning${warnings === 1 ? '' : 's'}`
}

function messageOf(error: unknown): string {
  return withoutHome(error instanceof Error ? error.message : String(error))
}
