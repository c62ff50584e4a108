// One process of the history: lanes on its main thread and on worker threads, until it is told to finish, or dies.
// Started by run.ts; its logs are opened before the first lock is asked for, and it dies with the driver.
import { subscribe } from 'node:diagnostics_channel'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads'

import { releaseAll } from 'holdfast'

import { EventLog, KIND } from './events.js'
import { Lane, type Stage } from './lane.js'
import { logName, logsOf, readPlan, type Plan } from './plan.js'
import { Random } from './random.js'
import { Recorder } from './recorder.js'

interface Part {
  readonly folder: string
  /** The number of the process; every process that is started has another. */
  readonly process: number
  /** 0 for the main thread; every worker of the process has another. */
  readonly thread: number
}

const BEAT = 25

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && 'folder' in value && 'process' in value && 'thread' in value
}

function readPart(): Part {
  const value: unknown = isMainThread ? JSON.parse(process.argv[2] ?? 'null') : workerData
  if (!isPart(value)) throw new Error('usage: agent.js PART, by run.js only')
  return value
}

const part = readPart()
const plan = readPlan(part.folder)
const name = logName(part.process, part.thread)
const log = new EventLog(openSync(join(logsOf(plan.folder), name), 'ax', 0o600))
log.write(KIND.hello, { a: process.pid, extra: threadId })

const recorder = new Recorder(plan, log, name)
const beat = setInterval(() => log.write(KIND.beat), BEAT)

/** Handles that are to be collected, and how often that will be tried: they may end otherwise. */
const lost = new Map<number, number>()
const MOST_COLLECTIONS = 20

const stage: Stage = {
  recorder,
  stopping: false,
  lost: (id) => lost.set(id, MOST_COLLECTIONS),
  exit: () => process.exit(7),
}

/** As it goes, a lost handle is found much later: no lock would be taken meanwhile. */
const collecting = setInterval(() => {
  for (const [id, rest] of lost) {
    if (rest === 0) lost.delete(id)
    else lost.set(id, rest - 1)
  }
  if (lost.size > 0) globalThis.gc?.()
}, 5)

/** The label of a lost hold tells which it was. */
subscribe('holdfast:leak', (message) => {
  if (typeof message !== 'object' || message === null || !('label' in message)) return
  const id = /^lost:(\d+)$/.exec(String(message.label))?.[1]
  if (id === undefined) return
  log.write(KIND.collected, { id: Number(id) })
  lost.delete(Number(id))
})

async function perform(): Promise<void> {
  const lanes = Array.from({ length: plan.lanes }, (_, number) => {
    const random = new Random(plan.seed, part.process, part.thread, number)
    return new Lane(stage, `${name} ${number}`, random).run()
  })
  await Promise.all(lanes)
  recorder.releaseAll(() => releaseAll())
}

/** One worker after another in one place: each is terminated in the midst of its work, or told to finish at the end. */
async function superviseWorkers(first: number, { threads, pace }: Plan): Promise<void> {
  const random = new Random(plan.seed, part.process, 1000 + first)
  for (let thread = first; !stage.stopping; thread += threads) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...part, thread } satisfies Part })
    const over = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.on('error', (error) => recorder.unexpected(error))
    const life = pace.terminations === 0 ? Infinity : (-Math.log(1 - random.next()) * 1000) / pace.terminations
    const ended = await Promise.race([over.then(() => 'exited'), stopped.then(() => 'stopped'), soon(life)])
    if (ended === 'stopped') worker.postMessage('finish')
    if (ended === 'old') {
      log.write(KIND.terminate, { extra: thread })
      await worker.terminate()
    }
    await over
    log.write(KIND.terminated, { extra: thread })
  }
}

function soon(milliseconds: number): Promise<'old'> {
  return milliseconds === Infinity ? new Promise(() => {}) : pause(milliseconds, 'old', { ref: false })
}

let stop = (): void => {}
const stopped = new Promise<void>((resolve) => {
  stop = () => {
    stage.stopping = true
    resolve()
  }
})

if (isMainThread) {
  process.on('message', stop)
  process.on('disconnect', () => process.exit(1))
  const workers = Array.from({ length: plan.threads }, (_, index) => superviseWorkers(index + 1, plan))
  await perform()
  await Promise.all(workers)
} else {
  parentPort?.on('message', stop)
  await perform()
  parentPort?.close()
}
clearInterval(beat)
clearInterval(collecting)
log.write(KIND.finished)
if (isMainThread) process.exit(0)
