// npm run demo: a gateway with traffic, to which the five incidents happen one after another; and beside it, for each, a
// gateway on the lock files of that incident. What became of the sessions the files tell, not the programs that wrote them.
//
//   --only I-1,I-3   these incidents alone
//   --seed <n>       of the traffic
//   --json           the results as JSON; progress goes to the error stream
//   --update <file>  puts the results between the marks of a page, as a table
//   --serve          keeps the gateway, its traffic and its page until it is interrupted
//   --tamper         takes one line out of a transcript before the last look, to see that this does not pass
//
// Ends with 1 if anything of ours was lost, doubled, disordered or damaged.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { tamper } from '../ledger/tamper.js'
import { scaledTo } from '../lock-files/rules.js'
import { transcriptOf } from '../places.js'
import { MISHAPS, type Mishap } from './incidents.js'
import { interruption } from './interruption.js'
import {
  asJson,
  markdownTable,
  passed,
  Progress,
  table,
  wantsColours,
  withBlock,
  type IncidentResult,
  type WholeRun,
} from './report.js'
import { endAll, openStage, type Stage } from './stage.js'
import { ledgerOf, settled, suffer } from './suffer.js'

/** Milliseconds after which a lock file is no longer waited for: all times of its incident are in that scale. */
const LOCK_FILE_WAIT = 1_000
/** Milliseconds in which a gateway must end that is told to. */
const LONGEST_END = 20_000

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: MISHAPS.map(({ incident }) => incident).join() },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    update: { type: 'string' },
    serve: { type: 'boolean', default: false },
    tamper: { type: 'boolean', default: false },
  },
})
const only = values.only.split(',')
const mishaps = MISHAPS.filter(({ incident }) => only.includes(incident))
if (mishaps.length !== only.length) throw new Error('Expected --only with some of I-1,I-2,I-3,I-4,I-5')
const seed = Number(values.seed)
if (!Number.isSafeInteger(seed)) throw new Error('Expected --seed with a whole number')

const home = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
let keeps = false
process.once('exit', () => {
  if (!keeps) rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})
const ended = once(interruption(), 'abort')
if (!values.serve) void ended.then(endAll).then(() => process.exit(130)) // first those who would write where nothing is to be left
const progress = new Progress(values.json ? process.stderr : process.stdout)
const sessions = mishaps.map(({ session }) => session)
const ours = await openStage({ folder: join(home, 'holdfast'), rules: null, seed, sessions })
try {
  progress.tell(`a gateway with traffic: ${ours.world.address}`)
  const results: IncidentResult[] = []
  for (const mishap of mishaps) results.push(...(await both(mishap)))
  if (values.serve) await serve(ours)
  const isWell = report(results, await lastLook(ours))
  process.exitCode = isWell ? 0 : 1
  keeps = !isWell
  if (keeps) console.error(`kept: ${home}`)
} finally {
  await ours.end()
}

/** The same mishap, at the same time, in both worlds. */
async function both(mishap: Mishap): Promise<IncidentResult[]> {
  const { incident, title, session } = mishap
  progress.tell(`${incident} ${title} ...`)
  const { rules, factor } = scaledTo(LOCK_FILE_WAIT, incident)
  const folder = join(home, `lock-files-${incident}`)
  const theirs = await openStage({ folder, rules, seed, sessions: [session] })
  try {
    const [our, their] = await Promise.all([suffer(mishap, ours), suffer(mishap, theirs)])
    return [our, { ...their, factor }]
  } finally {
    await theirs.end()
  }
}

async function serve({ world }: Stage): Promise<void> {
  progress.tell(`the page: ${world.address} (until it is interrupted)`)
  await ended
}

/** Lets everybody finish, ends the gateway, and looks at all that is there when nobody writes any more. */
async function lastLook({ world, ...stage }: Stage): Promise<WholeRun> {
  await stage.hush()
  await settled(world)
  const ended = await world.endGateway(LONGEST_END)
  if (values.tamper) tamper(transcriptOf(world.folder, sessions[0] ?? ''))
  const { problems, totals } = ledgerOf(world)
  const found = [...problems, ...world.unasked, ...(ended ? [] : ['the gateway had to be killed'])]
  return { ...totals, ok: found.length === 0, problems: found }
}

/** Answers whether it is well. */
function report(results: readonly IncidentResult[], whole: WholeRun): boolean {
  progress.end()
  if (values.json) process.stdout.write(asJson(results, whole))
  else process.stdout.write(`\n${table(results, whole, { colours: wantsColours(process.stdout, process.env) })}`)
  if (values.update !== undefined) {
    writeFileSync(values.update, withBlock(readFileSync(values.update, 'utf8'), markdownTable(results)))
  }
  return passed(results, whole)
}
