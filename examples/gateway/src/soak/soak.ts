// npm run demo:soak -- --minutes <n>: one gateway on holdfast with traffic, a job, commands and now and then a second gateway
// that waits for its end, to which things happen all the time. At the end the files tell what became of everything.
//
//   --minutes <n>   so long; 10 by default. Interrupted, it ends early, with everything it has
//   --seed <n>      of what happens and of the traffic; any by default, and printed
//   --rate <n>      incidents a minute; 8 by default
//   --out <folder>  for soak.svg and soak.json; examples/gateway/results by default
//   --tamper        takes one line out of a transcript before the last look, to see that this does not pass
//
// Ends with 1 if anything was lost, doubled, disordered or damaged, if a process ended that nobody asked to, or if one came
// to use more and more, or could not be judged by that though it had the time; then the folder with all files and logs is
// kept.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { traffic } from '../client.js'
import { transcriptOf } from '../places.js'
import { interruption } from '../demo/interruption.js'
import { Ledger } from '../ledger/ledger.js'
import { tamper } from '../ledger/tamper.js'
import { plot, type Mark } from './plot.js'
import { Progress } from '../demo/progress.js'
import { ProviderServer } from '../world/provider-server.js'
import { Sampling } from './samples.js'
import { growths, livesOf, unjudged } from './growth.js'
import { ASKED, Incidents } from './incidents.js'
import { readIntents, sentByIntent } from './intents.js'
import { plan, type Kind, type Planned } from './plan.js'
import { asJson, isWell, soakTable, type SoakResult } from './report.js'
import { World } from '../world/world.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '8' },
    out: { type: 'string', default: fileURLToPath(new URL('../../results', import.meta.url)) },
    tamper: { type: 'boolean', default: false },
  },
})
const length = positive('minutes') * 60_000
const rate = positive('rate')
const seed = Number(values.seed)
if (!Number.isSafeInteger(seed)) throw new Error('Expected --seed with a whole number')

/** Incidents happen to these. */
const STRUCK = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta'] as const
const SESSIONS = [...STRUCK, ...ASKED]
/** Messages a second of the traffic alone: those of the incidents, which told of 270 writes a minute. */
const MESSAGES = 270 / 60
const JOB_EVERY = 700
/** Milliseconds that a run may take. */
const LANE_TIMEOUT = 2_000
/** Milliseconds in which everything that was begun must come to its end when nothing is begun any more. */
const SETTLE = 60_000
const LOOK = 200

const ending = new AbortController()
interruption().addEventListener('abort', () => ending.abort())
const progress = new Progress(process.stdout)
const home = mkdtempSync(join(tmpdir(), 'holdfast-soak-'))
const provider = new ProviderServer()
const world = new World({ folder: home, provider: await provider.listen(), rules: null, laneTimeout: LANE_TIMEOUT })
const incidents = new Incidents(world)
const happened: Planned[] = []
let result: SoakResult | null = null
try {
  result = await soak()
} finally {
  await world.end()
  provider.close()
  if (result !== null && isWell(result)) rmSync(home, { recursive: true, force: true })
  else console.log(`kept: ${home}`)
}
process.exitCode = isWell(result) ? 0 : 1

async function soak(): Promise<SoakResult> {
  progress.tell(`seed ${seed}`)
  await world.startGateway()
  await world.startCron(SESSIONS, JOB_EVERY)
  const began = performance.now()
  const now = (): number => Math.round(performance.now() - began)
  const sampling = new Sampling(world, length < 60_000 ? 250 : 1_000, now)
  const { signal } = ending
  const over = setTimeout(() => ending.abort(), length)
  const shown = setInterval(() => tell(now()), 5_000)
  const looked = setInterval(() => void incidents.look(), 1_000)

  const going = traffic(world.client, { sessions: SESSIONS, rate: MESSAGES, seed, signal })
  for (const planned of plan({ seed, length, rate, sessions: STRUCK })) {
    if (!(await pause(Math.max(0, planned.at - now()), true, { signal }).catch(() => false))) break
    happened.push({ ...planned, at: now() })
    await incidents.happen(planned)
  }
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  const took = now()

  progress.tell('everybody may finish ...')
  await going
  await incidents.over()
  await world.endCron()
  await settled()
  clearTimeout(over)
  clearInterval(looked)
  clearInterval(shown)
  sampling.end()
  await incidents.endGateway()
  if (values.tamper) tamper(transcriptOf(world.folder, STRUCK[0]))
  return report(took, sampling)
}

function tell(at: number): void {
  const { sent } = world.client
  const acknowledged = sent.filter((message) => message.acknowledged).length
  const time = `${(at / 60_000).toFixed(1)} of ${(length / 60_000).toFixed(1)} min`
  const last = happened.at(-1)?.kind ?? 'none yet'
  progress.tell(
    `${time}: ${acknowledged} of ${sent.length} messages taken, ${happened.length} incidents, last: ${last}`,
  )
}

function ledger(): { ledger: Ledger; others: number } {
  const { folder, promises, client } = world
  const intended = sentByIntent(folder, readIntents(world.intents))
  const ledger = new Ledger({ folder, logs: promises, sent: [...client.sent, ...intended] })
  return { ledger, others: ledger.totals.messages.sent - client.sent.length }
}

/** Waits until nothing is missing, or for as long as it is worth. */
async function settled(): Promise<void> {
  const end = performance.now() + SETTLE
  while (performance.now() < end && !(isQuiet() && ledger().ledger.ok)) await pause(LOOK)
  if (!isQuiet()) incidents.problems.push('messages of which nobody has said whether they were taken')
}

function isQuiet(): boolean {
  return world.client.sent.every(({ acknowledged, refusal }) => acknowledged || refusal !== undefined)
}

function report(took: number, { samples }: Sampling): SoakResult {
  const { ledger: last, others } = ledger()
  const lives = livesOf(samples)
  const waits = samples.flatMap(({ longestWait }) => longestWait ?? [])
  const result: SoakResult = {
    seed,
    length: took,
    totals: last.totals,
    others,
    incidents: counts(happened),
    kills: incidents.kills,
    lives,
    longestWait: waits.length === 0 ? null : waits.reduce((most, wait) => Math.max(most, wait)),
    problems: [...last.problems, ...incidents.problems, ...world.unasked, ...growths(lives), ...unjudged(lives, took)],
  }
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, 'soak.json'), asJson(result, happened, samples))
  writeFileSync(join(values.out, 'soak.svg'), plot('A gateway in a soak', samples, happened.flatMap(markOf)))
  progress.end()
  process.stdout.write(soakTable(result))
  return result
}

function counts(planned: readonly Planned[]): Partial<Record<Kind, number>> {
  const counted: Partial<Record<Kind, number>> = {}
  for (const { kind } of planned) counted[kind] = (counted[kind] ?? 0) + 1
  return counted
}

/** Only of what ends a life: of all others there are too many. */
function markOf({ at, kind }: Planned): Mark[] {
  if (kind === 'kill') return [{ at, label: 'killed' }]
  return kind === 'end' ? [{ at, label: 'restarted' }] : []
}

function positive(name: 'minutes' | 'rate'): number {
  const number = Number(values[name])
  if (number > 0 && Number.isFinite(number)) return number
  throw new Error(`Expected --${name} with a number above 0`)
}
