// Makes a history of the PostgreSQL engine and has it judged: `node lab/dist/remote-history/run.js [--minutes N | --seconds N |
// --short] [--seed N] [--keep] [--plant unlocked]`. Starts a server of its own, and processes on several hosts that take locks
// under a nemesis; then everybody ends, and check.ts reads the logs.
import { appendFileSync, mkdirSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { sum } from '../history/check.js'
import { EventLog, KIND, now } from '../history/events.js'
import { DRIVER_LOG, ERRORS, logsOf, type Pace } from '../history/plan.js'
import { Random } from '../history/random.js'
import { Witness, witnessName } from '../history/witness.js'
import { judge } from './check.js'
import { canMakeHosts, Host } from './hosts.js'
import { Keys } from './keys.js'
import { RemoteNemesis } from './nemesis.js'
import type { State } from './orders.js'
import { hostOf, numberOf, SAMPLES, saveRemotePlan, type Nemeses, type RemotePlan } from './plan.js'
import { Process } from './process.js'
import { differences } from './quiet.js'
import type { Line } from './reading.js'
import { PostgresServer, server as postgres } from './server.js'
import { sample } from './watch.js'
import { CREATE_WITNESS, FILL_WITNESS, READ_WITNESS } from './witness.js'

/** A mask of them is written down. */
const NAMES = 30
const HOSTS = 3

/** By how long the processes may outlast the end. */
const PATIENCE = 60_000
const LOOK = 200

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    short: { type: 'boolean' },
    seed: { type: 'string' },
    keep: { type: 'boolean' },
    plant: { type: 'string' },
  },
})

const QUIET_PACE = { replacements: 0, terminations: 0, suicides: 0, exits: 0, children: 0 }
const LONG: Pace & Nemeses = {
  ...QUIET_PACE,
  kills: 0.4,
  stops: 0.5,
  blocks: 0.5,
  longestBlock: 1500,
  terminations: 1,
  cancelStorms: 0.2,
  restarts: 0.02,
  cuts: 0.02,
  longStops: 0.05,
}
/** More of everything that is rare, in a shorter time. */
const SHORT: Pace & Nemeses = {
  ...LONG,
  kills: 0.7,
  stops: 1,
  terminations: 2,
  cancelStorms: 0.5,
  restarts: 0.15,
  cuts: 0.1,
  longStops: 0.2,
}

if (!postgres.there) throw new Error(`this machine lacks ${postgres.name}`)
const long = values.short !== true && values.seconds === undefined
const length = long ? Number(values.minutes ?? 10) * 60 : Number(values.seconds ?? 6)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
if (!(length > 0) || !Number.isSafeInteger(seed)) throw new RangeError('--minutes, --seconds and --seed are numbers')

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-remote-history-')))
const server = await PostgresServer.start('listen_addresses=*', 'log_min_messages=panic', 'max_connections=200')
const hosts = canMakeHosts() ? Array.from({ length: HOSTS }, () => new Host()) : []
process.on('exit', () => {
  for (const host of hosts) host.remove()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
await server.query(CREATE_WITNESS)
await server.query(FILL_WITNESS(NAMES))

const pace = length >= 60 ? LONG : SHORT
const plan: RemotePlan = {
  seed,
  folder,
  base: String(now()),
  files: Array.from({ length: NAMES }, (_, number) => {
    const path = `name-${number}`
    return { path, lockfile: '', link: '', hardLink: null, inode: 0 }
  }),
  processes: 8,
  threads: 0,
  lanes: 6,
  pace,
  planted: values.plant === 'unlocked' ? 'unlocked' : 'none',
  hosts: hosts.length,
  urls: [server.url, ...hosts.map((host) => host.urlOf(server))],
  socket: { host: server.folder, port: server.port },
  heartbeat: { every: 200, answer: 600, server: 3000 },
  nemeses: pace,
}
mkdirSync(logsOf(folder))
saveRemotePlan(plan)
const who = `${plan.processes} processes of ${plan.lanes} lanes on ${1 + hosts.length} hosts`
console.log(`remote history: ${length} s of ${who}, ${NAMES} names, --seed ${seed}, in ${folder}`)
if (hosts.length === 0) {
  console.log(
    'left out: partitions, and long stops during them; network namespaces cannot be made here (root and iproute2)',
  )
}

const log = new EventLog(openSync(join(logsOf(folder), DRIVER_LOG), 'ax', 0o600))
const random = new Random(seed)
const keys = new Keys(plan)
const living = new Map<number, Process>()
const problems: string[] = []
let ending = false
let resting = false

/** Keeps one place occupied: whoever dies is followed by the next. */
async function occupy(place: number): Promise<void> {
  for (let generation = 0; !ending; generation++) {
    const number = numberOf(plan, place, generation)
    const process = new Process(folder, number, hosts[hostOf(plan, number) - 1]?.launcher ?? {})
    living.set(number, process)
    if (resting) process.tell('rest')
    const code = await process.ended
    log.write(KIND.exited, { id: process.number, a: code })
    living.delete(process.number)
  }
}

/** What every process says that it holds and waits for. */
async function ask(): Promise<Map<number, State>> {
  const states = [...living.values()].map(async (one): Promise<[number, State]> => [one.number, await one.ask()])
  return new Map(await Promise.all(states))
}

function write(line: Line): void {
  appendFileSync(join(folder, SAMPLES), `${JSON.stringify(line)}\n`)
}

async function look(): Promise<void> {
  while (!ending) {
    await sample(server, keys, BigInt(plan.base), [...living.values()]).then(write, () => {})
    await pause(LOOK)
  }
}

async function beQuiet(): Promise<void> {
  await nemesis.rest()
  resting = true
  for (const process of living.values()) process.tell('rest')
  write({ quiet: await differences(server, keys, ask) })
  resting = false
  for (const process of living.values()) process.tell('go')
  nemesis.resume()
}

/** Those that were just killed and are followed by others are told as well. */
async function finish(places: readonly Promise<void>[]): Promise<void> {
  ending = true
  const all = Promise.all(places)
  for (const deadline = Date.now() + PATIENCE; living.size > 0 && Date.now() < deadline;) {
    for (const process of living.values()) process.tell('finish')
    await Promise.race([all, pause(500)])
  }
  for (const process of living.values()) {
    problems.push(`process ${process.number} (${process.pid}) did not end within ${PATIENCE / 1000} s`)
    log.write(KIND.kill, { id: process.number, a: process.pid })
    process.kill('SIGKILL')
  }
  await all
}

/** When everybody has closed, nothing of anybody is left, but for what the dead have left to the server to notice. */
async function leftovers(): Promise<string[]> {
  const patience = plan.heartbeat.server + 10_000
  const text = `select application_name as name from pg_stat_activity where application_name like 'lab:%'`
  for (const end = performance.now() + patience; ;) {
    const locks = await server.locks()
    const sessions = await server.query<{ name: string }>(text)
    if (locks + sessions.length === 0) return []
    if (performance.now() > end) return [`${locks} locks and ${sessions.length} sessions are left when all have closed`]
    await pause(50)
  }
}

const nemesis = new RemoteNemesis(plan, log, random, () => [...living.values()], server, hosts)
const places = Array.from({ length: plan.processes }, (_, place) => occupy(place))
await Promise.all([...living.values()].map(({ begun }) => begun))
const striking = nemesis.run()
const looking = look()
const moments = Math.max(1, Math.round(length / 60))
for (let moment = 0; moment < moments; moment++) {
  await pause((length * 1000) / moments)
  await beQuiet()
}
nemesis.end()
await Promise.all([striking, finish(places), looking])
log.write(KIND.finished)
problems.push(...(await leftovers()))
const witness = new Witness(folder)
for (const { file, value } of await server.query<{ file: number; value: string }>(READ_WITNESS)) {
  witness.write(witnessName(file, 'only'), Number(value))
}
await server.stop()

// Beside the logs, where whoever judges them again finds it.
for (const problem of problems) appendFileSync(join(folder, ERRORS), `driver: ${problem}\n`)
const found = judge(folder)
if (found.failed === 0 && values.keep !== true) rmSync(folder, { recursive: true, force: true })
else console.log(`kept: ${folder}; node lab/dist/remote-history/check.js ${folder}`)
sum(found)
