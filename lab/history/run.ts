// Makes a history and has it judged: `node lab/dist/history/run.js [--minutes N | --seconds N] [--seed N] [--keep]
// [--plant unlocked]`. Processes take locks for so long under a nemesis; then everybody ends, and check.ts reads the logs.
import { fork, type ChildProcess } from 'node:child_process'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { acquire, inspect, tryAcquire } from 'holdfast'

import { judge, sum } from './check.js'
import { EventLog, KIND, now } from './events.js'
import { Nemesis, type Victim } from './nemesis.js'
import { DRIVER_LOG, ERRORS, logsOf, savePlan, type Pace, type Plan, type PlannedFile } from './plan.js'
import { Random } from './random.js'

const AGENT = fileURLToPath(new URL('./agent.js', import.meta.url))

/** By how long the processes may outlast the end. */
const PATIENCE = 60_000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    keep: { type: 'boolean' },
    plant: { type: 'string' },
  },
})

const LONG: Pace = {
  kills: 1.1,
  stops: 0.5,
  replacements: 30,
  terminations: 0.1,
  suicides: 0.1,
  exits: 0.03,
  blocks: 0.2,
  longestBlock: 3000,
  children: 0.05,
}
/** More of everything that is rare, in a shorter time. */
const SHORT: Pace = {
  kills: 1.2,
  stops: 1,
  replacements: 30,
  terminations: 0.3,
  suicides: 0.1,
  exits: 0.15,
  blocks: 0.5,
  longestBlock: 300,
  children: 1,
}

const length = values.minutes === undefined ? Number(values.seconds ?? 10) : Number(values.minutes) * 60
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
if (!(length > 0) || !Number.isSafeInteger(seed)) throw new RangeError('--minutes, --seconds and --seed are numbers')

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-history-')))
const plan: Plan = {
  seed,
  folder,
  base: String(now()),
  files: await Promise.all(Array.from({ length: 12 }, (_, number) => makeFile(number, number % 4 === 3))),
  processes: 4,
  threads: 1,
  lanes: 4,
  pace: length >= 60 ? LONG : SHORT,
  planted: values.plant === 'unlocked' ? 'unlocked' : 'none',
}
mkdirSync(logsOf(folder))
savePlan(plan)
const { processes, threads, lanes } = plan
const who = `${processes} processes of ${1 + threads} threads of ${lanes} lanes`
console.log(`history: ${length} s of ${who} on ${plan.files.length} files, --seed ${seed}, in ${folder}`)

const log = new EventLog(openSync(join(logsOf(folder), DRIVER_LOG), 'ax', 0o600))
const random = new Random(seed)
let number = 0
let ending = false
const living = new Map<number, ChildProcess & Victim>()
const problems: string[] = []

async function makeFile(number: number, replaced: boolean): Promise<PlannedFile> {
  const path = join(folder, `data-${number}`)
  const link = join(folder, `link-${number}`)
  writeFileSync(path, '')
  symlinkSync(path, link)
  const hold = await acquire(path)
  const { lockfile } = hold
  hold.release()
  if (replaced) return { path, lockfile, link, hardLink: null, inode: null }
  const hardLink = join(folder, `hard-${number}`)
  linkSync(lockfile, hardLink)
  return { path, lockfile, link, hardLink, inode: statSync(lockfile).ino }
}

/** Keeps one place occupied: whoever dies is followed by the next. */
async function occupy(): Promise<void> {
  while (!ending) {
    const mine = ++number
    const part = JSON.stringify({ folder, process: mine, thread: 0 })
    const child = fork(AGENT, [part], { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const gone = new Promise<number>((resolve) => {
      child.once('exit', (code) => resolve(code ?? -1))
      child.once('error', () => resolve(-2))
    })
    const victim = Object.assign(child, { number: mine, pid: child.pid ?? 0, gone: false })
    living.set(mine, victim)
    child.on('error', () => {}) // a message to one that has just died
    const code = await gone
    victim.gone = true
    log.write(KIND.exited, { id: mine, a: code })
    living.delete(mine)
  }
}

/** Those that were just killed and are followed by others are told as well. */
async function finish(places: readonly Promise<void>[]): Promise<void> {
  ending = true
  const all = Promise.all(places)
  for (const deadline = Date.now() + PATIENCE; living.size > 0 && Date.now() < deadline;) {
    for (const child of living.values()) if (child.connected) child.send('finish', () => {})
    await Promise.race([all, pause(500)])
  }
  for (const child of living.values()) {
    problems.push(`process ${child.number} (${child.pid}) did not end within ${PATIENCE / 1000} s`)
    log.write(KIND.kill, { id: child.number, a: child.pid })
    child.kill('SIGKILL')
  }
  await all
}

const nemesis = new Nemesis(plan, log, random, () => [...living.values()])
const places = Array.from({ length: processes }, () => occupy())
const striking = nemesis.run()
await pause(length * 1000)
nemesis.end()
await Promise.all([striking, finish(places)])
log.write(KIND.finished)

for (const { path, lockfile, inode } of plan.files) {
  if (inspect(path).state === 'held') problems.push(`${path} is held when everybody has ended`)
  tryAcquire(path)?.release()
  if (inode !== null && statSync(lockfile).ino !== inode) problems.push(`${lockfile} is another file than at first`)
}
// Beside the logs, where whoever judges them again finds it.
for (const problem of problems) appendFileSync(join(folder, ERRORS), `driver: ${problem}\n`)
const found = judge(folder)
if (found.failed === 0 && values.keep !== true) rmSync(folder, { recursive: true, force: true })
else console.log(`kept: ${folder}; node lab/dist/history/check.js ${folder}`)
sum(found)
