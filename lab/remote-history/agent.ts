// One process of the history: its lanes take locks of the database until it is told to finish, or dies. Started by run.ts; its
// log is opened before the first lock is asked for, and it dies with the driver.
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { isLockError } from 'holdfast'
import { openPostgres, pgAdapter, postgresJsAdapter, type RemoteHoldfast } from 'holdfast/postgres'
import postgres from 'postgres'

import { EventLog, KIND } from '../history/events.js'
import { logName, logsOf } from '../history/plan.js'
import { Random } from '../history/random.js'
import { Recorder } from '../history/recorder.js'
import { RemoteLane, type Stage } from './lane.js'
import type { Order, State } from './orders.js'
import { applicationOf, clientOf, hostOf, NAMESPACE, readRemotePlan } from './plan.js'
import { FencedWitness } from './witness.js'

const BEAT = 25

const [folder, number] = process.argv.slice(2)
if (folder === undefined || number === undefined) throw new Error('usage: agent.js FOLDER NUMBER, by run.js only')
const me = Number(number)
const plan = readRemotePlan(folder)
const name = logName(me, 0)
const log = new EventLog(openSync(join(logsOf(plan.folder), name), 'ax', 0o600))
log.write(KIND.hello, { a: process.pid })
const recorder = new Recorder(plan, log, name)
const beat = setInterval(() => log.write(KIND.beat), BEAT)
const url = plan.urls[hostOf(plan, me)] ?? ''

let resume = (): void => {}
let remote: RemoteHoldfast | null = null
const wishes = new Map<number, readonly string[]>()

/** Whoever drives this process asks for it when all rest. */
function state(): State {
  const holds = remote?.holds().map(({ path, mode }) => ({ name: path, mode })) ?? []
  return { holds, wanted: [...wishes.values()].flat() }
}

const stage: Stage & { stopping: boolean; rest: Promise<void> | null } = { stopping: false, rest: null }

process.on('message', (order: Order) => {
  if (order === 'finish') stage.stopping = true
  if (order === 'rest') stage.rest ??= new Promise((resolve) => (resume = resolve))
  if (order === 'go' || order === 'finish') {
    stage.rest = null
    resume()
  }
  if (order === 'tell') process.send?.(state())
})
process.on('disconnect', () => process.exit(1))

/** The server may be away, or the host cut off. */
async function open(): Promise<RemoteHoldfast | null> {
  const adapter = clientOf(plan, me) === 'pg' ? pgAdapter(url) : postgresJsAdapter(postgres, url)
  while (!stage.stopping) {
    try {
      return await openPostgres({
        adapter,
        namespace: NAMESPACE,
        heartbeat: plan.heartbeat,
        application: applicationOf(me),
      })
    } catch (error) {
      if (!isLockError(error, 'ERR_LOCK_DATABASE')) recorder.unexpected(error)
      await pause(100)
    }
  }
  return null
}

remote = await open()
if (remote !== null) {
  process.send?.(state()) // it begins
  const witness = new FencedWitness(plan.socket)
  const engine = remote
  const lanes = Array.from({ length: plan.lanes }, (_, index) => {
    const random = new Random(plan.seed, me, index)
    return new RemoteLane({ stage, recorder, engine, witness, wishes }, `${name} ${index}`, random).run()
  })
  await Promise.all(lanes)
  recorder.releaseAll(() => engine.releaseAll())
  await engine.close()
  await witness.close()
}
clearInterval(beat)
log.write(KIND.finished)
process.exit(0)
