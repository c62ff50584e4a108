// Plays one schedule: several processes, each with a coordinator and an event loop of its own, on one simulated system of
// files, locks and threads. Nothing but the schedule decides what comes next, down to the microtasks, so that it plays the
// same way each time. After each step everything that must be true is checked; at the end nothing may be left.
import { systemFailure, type FakeKernel } from '../../test/helpers/fake-kernel.js'
import { inspectEnd, inspectHolds, inspectProcesses } from './inspection.js'
import { listen, type Judge } from './judge.js'
import { Programs } from './programs.js'
import { describe, isCall, PATHS, type Schedule, type Turn } from './steps.js'
import { World, type Process } from './world.js'

export interface Outcome {
  /** How many were played: all, unless something was wrong. */
  readonly steps: number
  /** Of everything that happened, in order. */
  readonly hash: string
  readonly violations: readonly string[]
  /** How often each thing was seen. */
  readonly seen: ReadonlyMap<string, number>
}

let current: Judge | undefined
let listening: (() => void) | undefined

/** Begins to listen to events, once for all plays; they are of the whole process. Answers how to end it. */
export function prepare(): () => void {
  listening ??= listen(() => current)
  return () => {
    listening?.()
    listening = undefined
  }
}

export async function play(schedule: Schedule, trace: (line: string) => void = () => {}): Promise<Outcome> {
  const play = new Play(schedule, trace)
  current = play.judge
  const outcome = await play.run()
  current = undefined
  await new Promise((resolve) => setImmediate(resolve)) // what a failed play left in the queue of microtasks
  return outcome
}

const MOST_ROUNDS = 1000

class Play {
  readonly judge: Judge
  private readonly schedule: Schedule
  private readonly world: World
  private readonly programs: Programs

  constructor(schedule: Schedule, trace: (line: string) => void) {
    this.schedule = schedule
    this.world = new World(schedule, trace)
    this.judge = this.world.judge
    this.programs = new Programs(this.world)
  }

  async run(): Promise<Outcome> {
    const { world } = this
    const { model } = world
    const { steps } = this.schedule
    let played = 0
    try {
      for (const step of steps) {
        played++
        world.log(describe(step))
        if (isCall(step)) this.programs.call(step, null)
        else await this.perform(step)
        this.check()
        if (model.violations.length > 0) break
      }
      if (model.violations.length === 0) await this.finish()
    } catch (error) {
      model.violate(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
    for (const violation of model.violations) world.log(`  VIOLATION ${violation}`)
    return { steps: played, hash: world.hashed, violations: model.violations, seen: model.seen }
  }

  private async perform(step: Turn): Promise<void> {
    const { world } = this
    const { system, time, model } = world
    switch (step.do) {
      case 'microtasks':
        if (step.ticks === 0) await this.drain()
        for (let tick = 0; tick < step.ticks; tick++) await Promise.resolve()
        break
      case 'loop':
        await this.turn(world.process(step.process))
        break
      case 'timer':
        await this.drain()
        world.process(step.process).loop.runTimer()
        break
      case 'immediate':
        await this.drain()
        world.process(step.process).loop.runImmediate()
        break
      case 'notice':
        await this.drain()
        system.deliverOne(step.which)
        break
      case 'wake':
        if (system.slowThreads) system.wake(step.which)
        break
      case 'pass':
        time.now += step.milliseconds
        world.passed()
        break
      case 'jump':
        time.jumped += step.milliseconds
        break
      case 'watch':
        world.watch()
        break
      case 'watchdog sleeps':
        system.watchdogSleeps = step.on
        world.passed()
        break
      case 'threads are slow':
        system.slowThreads = step.on
        if (!step.on) world.wakeAll()
        break
      case 'threads':
        system.threads = step.most
        world.everShortOfThreads ||= step.most < Infinity
        break
      case 'read only':
        system.readOnly = step.on
        world.judge.everReadOnly ||= step.on
        break
      case 'wait fails': {
        const path = PATHS[step.which % PATHS.length] ?? PATHS[0]
        const waiting = system.inodeOf(`${path}.hold`)?.claims.some(({ state }) => state === 'waiting')
        if (waiting !== true) break
        world.judge.failures++
        system.fail(`${path}.hold`, systemFailure('EIO', -5, path))
        break
      }
      case 'request fails': {
        const { kernel } = world.process(step.which % world.processes.length)
        if (kernel.nextFailure !== null) break
        world.judge.failures++
        kernel.nextFailure = systemFailure('EMFILE', -24, 'somewhere')
        break
      }
      case 'end environment':
      case 'crash': {
        await this.drain() // a thread ends between two of its tasks
        const process = world.process(step.process)
        model.forget(process)
        if (step.do === 'crash') system.crash(process.kernel)
        else system.terminate(process.kernel)
        world.newProcess(step.process)
        break
      }
      case 'remove':
        model.replace(step.path)
        system.remove(`${step.path}.hold`)
        break
      case 'rename':
        model.replace(step.to)
        model.merge(step.path, step.to)
        system.link(`${step.path}.hold`, `${step.to}.hold`)
        break
      case 'rest':
        await this.rest()
        if (!world.everShortOfThreads) model.checkProgress()
        break
    }
  }

  /** The queue of microtasks, until it is empty. */
  private async drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.judge.drained()
  }

  /** All that an event loop has to do now. */
  private async turn({ loop, kernel }: Process): Promise<void> {
    await this.drain()
    while (loop.runTimer()) await this.drain()
    for (let index = this.notice(kernel); index >= 0; index = this.notice(kernel)) {
      this.world.system.deliverOne(index)
      await this.drain()
    }
    for (let rest = loop.pendingImmediates; rest > 0; rest--) {
      loop.runImmediate()
      await this.drain()
    }
  }

  private notice(kernel: FakeKernel): number {
    return this.world.system.undelivered.indexOf(kernel)
  }

  /** Until nothing can move any more, without time passing. */
  private async rest(): Promise<void> {
    const before = [...this.world.model.claims.values()]
    await this.drain()
    for (let round = 0; ; round++) {
      if (round === MOST_ROUNDS) throw new Error('it never rests')
      this.world.watch()
      const woken = this.world.wakeAll()
      const busy = this.world.processes.filter(({ loop, kernel }) => {
        return loop.hasDueTimer || loop.pendingImmediates > 0 || this.notice(kernel) >= 0
      })
      for (const process of busy) await this.turn(process)
      if (!woken && busy.length === 0) break
    }
    this.world.model.checkTimers(before)
  }

  private check(): void {
    inspectHolds(this.world)
    this.programs.forget()
    inspectProcesses(this.world)
  }

  /** Whoever still waits is served once everybody lets go; then nothing is left. */
  private async finish(): Promise<void> {
    const { world } = this
    const { system, model } = world
    world.log('finish')
    this.programs.finishing = true
    await this.drain()
    system.threads = Infinity
    system.watchdogSleeps = false
    for (let round = 0; round < 200 && (model.wishes.size > 0 || model.remaining().length > 0); round++) {
      this.programs.letGo()
      await this.rest()
      world.time.now += 60
      world.passed()
      this.check()
      if (model.violations.length > 0) return
    }
    await this.rest()
    this.check()
    inspectEnd(world)
  }
}
