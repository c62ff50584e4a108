// `holdfast clean`: lock files that nobody holds are removed, if that is asked for.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import type { Finding } from './clean/finding.js'
import { judgeLegacy } from './clean/legacy.js'
import { judgeLockFile } from './clean/lock-file.js'
import { UsageError, type Command } from './command.js'
import { EXIT } from './exit-codes.js'
import { findNamed, type Found } from './report/find.js'
import { jsonLine } from './report/json.js'
import { fromHere } from './report/place.js'
import { seconds } from './report/seconds.js'
import type { Style } from './styles.js'
import { table, type Cell } from './table.js'
import type { Terminal } from './terminal.js'
import { escaped } from './text.js'

const HELP = `Usage: holdfast clean [OPTION…] DIR

Tells which lock files in DIR nobody holds, and removes them with --yes, without
harm to processes that use holdfast meanwhile. A lock file that lies around does
no harm either: this is for tidiness. Kept are those that are held, that have
content of somebody else, or that tell the next holder of a death.

      --yes                remove them
  -r, --recursive          in folders in DIR too; no links are followed
      --abandoned          also those that tell of a death
      --legacy             also what other protocols left: *.lock files and
                           folders whose makers are gone, as far as can be told
      --older-than SECONDS how old those must be that name no process (3600)
      --json               a line of JSON for each file
  -h, --help               print this text

Exits with 0; 1 if a file that was to be removed could not be; 71 when the
system refuses; 64 when the arguments make no sense.
`

const AN_HOUR = 3600

interface Options {
  readonly folder: string
  readonly yes: boolean
  readonly recursive: boolean
  readonly abandoned: boolean
  readonly legacy: boolean
  /** Milliseconds. */
  readonly olderThan: number
  readonly json: boolean
}

/** What became of a file. */
interface Outcome extends Finding {
  readonly action: 'would-remove' | 'removed' | 'kept' | 'failed'
}

export const clean: Command = {
  name: 'clean',
  summary: 'remove lock files that nobody holds',
  help: HELP,
  async run(args, terminal) {
    const options = optionsOf(args)
    const outcomes: Outcome[] = []
    for await (const finding of findings(options, terminal)) {
      const outcome = options.yes ? removed(finding) : unmoved(finding)
      if (options.json) terminal.out.write(outcomeJson(outcome))
      outcomes.push(outcome)
    }
    if (!options.json) terminal.out.write(text(terminal, options, outcomes))
    return outcomes.some(({ action }) => action === 'failed') ? EXIT.failed : EXIT.ok
  },
}

async function* findings(options: Options, { err }: Terminal): AsyncGenerator<Finding> {
  const { folder, recursive, abandoned, legacy, olderThan } = options
  const tell = ({ unread, cut }: Found): void => {
    for (const { folder: other, error } of unread) {
      if (other === folder) throw error
      err.write(`holdfast: ${escaped(String(error))}\n`)
    }
    if (cut) err.write('holdfast: there is more than is looked at in one go\n')
  }
  const ours = await findNamed(folder, { suffix: '.hold', recursive })
  tell(ours)
  if (legacy) {
    // First, for the judgement of some asks for their lock files of ours.
    const others = await findNamed(folder, { suffix: '.lock', folders: true, recursive })
    for (const path of others.paths) {
      const finding = judgeLegacy(path, olderThan, Date.now())
      if (finding !== null) yield finding
    }
  }
  for (const path of ours.paths) {
    const finding = judgeLockFile(path, abandoned)
    if (finding !== null) yield finding
  }
}

function unmoved(finding: Finding): Outcome {
  return { ...finding, action: finding.remove === null ? 'kept' : 'would-remove' }
}

function removed(finding: Finding): Outcome {
  if (finding.remove === null) return { ...finding, action: 'kept' }
  try {
    const removal = finding.remove()
    if (removal === 'removed') return { ...finding, action: 'removed' }
    return { ...finding, action: 'kept', reason: 'held', why: 'somebody uses it just now' }
  } catch (error) {
    return { ...finding, action: 'failed', why: error instanceof Error ? error.message : String(error) }
  }
}

function outcomeJson({ path, kind, action, reason, why, pid }: Outcome): string {
  return jsonLine({ path, kind, action, reason, why, pid })
}

const ACTIONS: Record<Outcome['action'], { text: string; style: Style }> = {
  'would-remove': { text: 'would remove', style: 'yellow' },
  removed: { text: 'removed', style: 'green' },
  kept: { text: 'kept', style: 'dim' },
  failed: { text: 'failed', style: 'red' },
}

function text(terminal: Terminal, { yes }: Options, outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ action, path, why }): Cell[] => [ACTIONS[action], escaped(fromHere(path)), escaped(why)])
  const columns = [{ title: '' }, { title: 'FILE', cut: true }, { title: 'WHY', cut: true }]
  const lines = rows.length === 0 ? [] : [...table(terminal, columns, rows), '']
  const count = (action: Outcome['action']): number => outcomes.filter((each) => each.action === action).length
  if (yes) lines.push(`${count('removed')} removed, ${count('kept')} kept, ${count('failed')} failed.`)
  else lines.push(`${count('would-remove')} would be removed, ${count('kept')} kept. Nothing is removed without --yes.`)
  return `${lines.join('\n')}\n`
}

function optionsOf(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      yes: { type: 'boolean', default: false },
      recursive: { type: 'boolean', short: 'r', default: false },
      abandoned: { type: 'boolean', default: false },
      legacy: { type: 'boolean', default: false },
      'older-than': { type: 'string', default: String(AN_HOUR) },
      json: { type: 'boolean', default: false },
    },
  })
  const { yes, recursive, abandoned, legacy, json } = values
  const [folder, ...more] = positionals
  if (folder === undefined || more.length > 0) throw new UsageError('name one DIR')
  const olderThan = seconds('--older-than', values['older-than']) * 1000
  return { folder: resolve(folder), yes, recursive, abandoned, legacy, olderThan, json }
}
