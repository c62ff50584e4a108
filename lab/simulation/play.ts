// Plays one schedule: several processes, each with a coordinator and an event loop of its own, on one simulated system of
// files, locks and threads. Nothing but the schedule decides what comes next, down to the microtasks, so that it plays the
// same way each time. After each step everything that must be true is checked; at the end nothing may be left.
import { deliverEvents } from '../../src/channels.js'
import { acquireAll } from '../../src/coordination/acquire-all.js'
import type { HoldState } from '../../src/coordination/hold-state.js'
import { isLockError, type LostReason } from '../../src/errors.js'
import {
  acquireAllRequests,
  acquireRequest,
  tryRequest,
  type AcquireOptions,
  type Locate,
  type Request,
} from '../../src/options.js'
import { Owner } from '../../src/owner.js'
import { tracedAcquire } from '../../src/traced-acquire.js'
import { FakeSystem, systemFailure, type FakeKernel, type FakeLease } from '../../test/helpers/fake-kernel.js'
import { ReferenceModel, type Claim } from '../../test/helpers/reference-model.js'
import { Judge, listen, WatchedCoordinator } from './judge.js'
import { isCall, PATHS, type Ask, type Call, type Schedule, type Step } from './steps.js'
import { EventLoop, Time } from './time.js'

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

/** The second owner of each process bounds its holds. */
const OWNER_MAX_HOLD = 60
const MOST_ROUNDS = 1000

class Hash {
  private upper = 0x811c9dc5
  private lower = 0x1b873593

  add(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      this.upper = Math.imul(this.upper ^ code, 0x01000193)
      this.lower = Math.imul(this.lower ^ code, 0x85ebca6b) + 1
    }
  }

  get text(): string {
    return [this.upper, this.lower].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}

interface NamedOwner {
  readonly owner: Owner
  readonly label: string
  readonly controller: AbortController
}

class Process {
  readonly name: string
  readonly kernel: FakeKernel
  readonly loop: EventLoop
  readonly coordinator: WatchedCoordinator
  readonly owners: NamedOwner[] = []

  constructor(name: string, system: FakeSystem, time: Time, judge: Judge) {
    this.name = name
    this.kernel = system.open()
    this.loop = new EventLoop(time)
    this.coordinator = new WatchedCoordinator(this.kernel, this.loop, judge, this)
  }

  readonly locate: Locate = (path, where) => this.kernel.locate(path, where)
}

/** Who asked, and what he does when he is answered. */
interface Caller {
  readonly process: Process
  readonly ask: Ask
  readonly controller: AbortController | null
}

class Play {
  readonly judge: Judge
  private readonly schedule: Schedule
  private readonly trace: (line: string) => void
  private readonly hash = new Hash()
  private readonly system = new FakeSystem()
  private readonly time = new Time()
  private readonly model: ReferenceModel
  private readonly processes: Process[] = []
  private readonly callers = new Map<string, Caller>()
  /** Why the signals of holds aborted, for those that were asked for. */
  private readonly aborted = new Map<string, LostReason[]>()
  /** Guards that will be left in a microtask. */
  private readonly leaving = new Map<string, number>()
  private readonly past: HoldState[] = []
  private last = 0
  private everShortOfThreads = false
  private finishing = false

  constructor(schedule: Schedule, trace: (line: string) => void) {
    this.schedule = schedule
    this.trace = trace
    const { system, time } = this
    system.now = () => time.now
    system.link('/a.hold', '/x.hold')
    this.model = new ReferenceModel({
      now: () => time.now,
      inodeOf: (path) => system.inodeOf(`${path}.hold`),
      available: (path, mode) => system.isAvailable(system.create(`${path}.hold`), mode),
    })
    this.model.merge('/a', '/x')
    this.judge = new Judge(this.model, (line) => this.log(line))
    this.judge.onEnd((id) => {
      const caller = this.callers.get(id)
      if (caller !== undefined) this.react(caller, caller.ask.onEvent, id)
    })
    for (let index = 0; index < schedule.processes; index++) this.newProcess(index)
  }

  async run(): Promise<Outcome> {
    const { steps } = this.schedule
    let played = 0
    try {
      for (const step of steps) {
        played++
        this.log(describe(step))
        await this.perform(step)
        this.check()
        if (this.model.violations.length > 0) break
      }
      if (this.model.violations.length === 0) await this.finish()
    } catch (error) {
      this.model.violate(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
    for (const violation of this.model.violations) this.log(`  VIOLATION ${violation}`)
    return { steps: played, hash: this.hash.text, violations: this.model.violations, seen: this.model.seen }
  }

  private async perform(step: Step): Promise<void> {
    const { system, time, model } = this
    if (isCall(step)) {
      this.call(step, null)
      return
    }
    switch (step.do) {
      case 'microtasks':
        if (step.ticks === 0) await this.drain()
        for (let tick = 0; tick < step.ticks; tick++) await Promise.resolve()
        break
      case 'loop':
        await this.turn(this.process(step.process))
        break
      case 'timer':
        await this.drain()
        this.process(step.process).loop.runTimer()
        break
      case 'immediate':
        await this.drain()
        this.process(step.process).loop.runImmediate()
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
        this.passed()
        break
      case 'jump':
        time.jumped += step.milliseconds
        break
      case 'watch':
        this.watch()
        break
      case 'watchdog sleeps':
        system.watchdogSleeps = step.on
        this.passed()
        break
      case 'threads are slow':
        system.slowThreads = step.on
        if (!step.on) this.wakeAll()
        break
      case 'threads':
        system.threads = step.most
        this.everShortOfThreads ||= step.most < Infinity
        break
      case 'read only':
        system.readOnly = step.on
        this.judge.everReadOnly ||= step.on
        break
      case 'wait fails': {
        const path = PATHS[step.which % PATHS.length] ?? PATHS[0]
        const waiting = system.inodeOf(`${path}.hold`)?.claims.some(({ state }) => state === 'waiting')
        if (waiting !== true) break
        this.judge.failures++
        system.fail(`${path}.hold`, systemFailure('EIO', -5, path))
        break
      }
      case 'request fails': {
        const { kernel } = this.process(step.which % this.processes.length)
        if (kernel.nextFailure !== null) break
        this.judge.failures++
        kernel.nextFailure = systemFailure('EMFILE', -24, 'somewhere')
        break
      }
      case 'end environment':
      case 'crash': {
        await this.drain() // a thread ends between two of its tasks
        const process = this.process(step.process)
        model.forget(process)
        if (step.do === 'crash') system.crash(process.kernel)
        else system.terminate(process.kernel)
        this.newProcess(step.process)
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
        if (!this.everShortOfThreads) model.checkProgress()
        break
    }
  }

  /** What a program does; `own` is the hold that it was just told of. */
  private call(next: Call, own: string | null): void {
    const { model } = this
    switch (next.do) {
      case 'acquire':
        this.acquire(next)
        break
      case 'try':
        this.tryNow(next)
        break
      case 'acquire all':
        this.acquireAll(next)
        break
      case 'release own':
        if (own !== null) this.release(own)
        break
      case 'release':
        this.on(this.living(), next.which, ({ id }) => this.release(id))
        break
      case 'release again':
        this.past[next.which % Math.max(1, this.past.length)]?.end(null)
        break
      case 'abort': {
        const waiting = [...model.wishes.values()].filter(({ id }) => this.callers.get(id)?.controller)
        const wish = pick(waiting, next.which)
        if (wish === undefined) break
        model.doom(wish, 'aborted')
        this.callers.get(wish.id)?.controller?.abort('aborted')
        break
      }
      case 'extend':
        this.on(this.living(), next.which, (claim, state) => {
          const legal = model.extend(claim, next.by)
          this.expectLost(legal, `extend of ${claim.id}`, () => state.extend(next.by))
        })
        break
      case 'enter guard':
        this.on(this.living(), next.which, (claim, state) => {
          const legal = model.enterGuard(claim)
          this.expectLost(legal, `guard of ${claim.id}`, () => state.enterGuard(claim))
          if (legal && state.handle === null) model.violate(`${claim.id} can be collected in its guard`)
        })
        break
      case 'exit guard':
        this.on(this.guarded(), next.which, (claim, state) => this.exitGuard(claim, state))
        break
      case 'exit guard soon':
        this.on(this.guarded(), next.which, (claim, state) => {
          this.leaving.set(claim.id, (this.leaving.get(claim.id) ?? 0) + 1)
          queueMicrotask(() => {
            this.leaving.set(claim.id, (this.leaving.get(claim.id) ?? 0) - 1)
            this.safely(() => this.exitGuard(claim, state))
          })
        })
        break
      case 'collect':
        this.on(
          this.living().filter(({ id }) => this.judge.states.get(id)?.handle === null),
          next.which,
          (claim, state) => {
            model.end(claim, 'collected')
            state.collected()
          },
        )
        break
      case 'assert held':
        this.on(this.living(), next.which, (claim, state) => {
          const named = this.system.inodeOf(`${claim.path}.hold`) === claim.inode
          if (model.held(claim) && !named) model.end(claim, 'replaced')
          model.touch(claim)
          this.expectLost(model.held(claim), `assertHeld of ${claim.id}`, () => state.assertHeld())
        })
        break
      case 'close owner':
      case 'signal owner': {
        const named = this.process(next.process).owners[next.owner]
        if (named === undefined) break
        model.closeOwner(named.label)
        if (next.do === 'close owner') named.owner.close('closed')
        else named.controller.abort('signalled')
        break
      }
      case 'release all':
        this.releaseAll(this.process(next.process))
        break
    }
  }

  private acquire(ask: Extract<Call, { do: 'acquire' }>): void {
    const process = this.process(ask.process)
    const controller = new AbortController()
    const options = this.optionsOf(process, ask)
    if (options === null) return
    const { timeout } = ask
    const request = acquireRequest(process.locate, ask.path, { ...options, timeout, signal: controller.signal })
    this.await(process, request, { process, ask, controller })
  }

  /** As Holdfast.acquire() does. */
  private await(process: Process, request: Request, caller: Caller): void {
    const id = String(request.label)
    this.callers.set(id, caller)
    const answered = new Promise<HoldState>((resolve, reject) => {
      tracedAcquire(process.coordinator, request, resolve, reject)
    })
    answered.then(
      (state) => {
        this.judge.settled(id, 'granted')
        this.watchSignal(id, state)
        this.react(caller, caller.ask.then, id)
      },
      () => {
        this.judge.settled(id, 'refused')
        this.react(caller, caller.ask.then, null)
      },
    )
  }

  private tryNow(ask: Extract<Call, { do: 'try' }>): void {
    const process = this.process(ask.process)
    const options = this.optionsOf(process, ask)
    if (options === null) return
    const request = tryRequest(process.locate, ask.path, options)
    const id = String(request.label)
    this.callers.set(id, { process, ask, controller: null })
    try {
      const { coordinator } = process
      const asked = { ...request, timeout: 0 }
      const state = this.judge.ask(asked, process, this.time.now, () => coordinator.tryAcquire(request))
      if (state === null) {
        this.log(`  ${id} busy`)
        this.model.refused(id, 'ERR_LOCK_TIMEOUT')
      } else {
        this.judge.granted(request, state)
        this.watchSignal(id, state)
      }
    } catch (error) {
      this.judge.refused(request, error)
    }
  }

  /** All or nothing: until the last is granted, nobody but the library knows of them. */
  private acquireAll(next: Extract<Call, { do: 'acquire all' }>): void {
    const process = this.process(next.process)
    const controller = new AbortController()
    const options = this.optionsOf(process, next)
    if (options === null) return
    const { timeout, paths } = next
    const ask: Ask = { ...next, path: paths[0] ?? PATHS[0], then: null }
    const caller = { process, ask, controller }
    const members: string[] = []
    const requests = acquireAllRequests(process.locate, paths, { ...options, timeout, signal: controller.signal })
    const answered = acquireAll(process.coordinator, requests, (request, resolve, reject, started) => {
      const id = this.newId()
      members.push(id)
      this.callers.set(id, caller)
      this.judge.incomplete.add(id)
      const settle = (outcome: 'granted' | 'refused'): void => this.judge.settled(id, outcome)
      tracedAcquire(
        process.coordinator,
        { ...request, label: id },
        (state) => {
          settle('granted')
          this.watchSignal(id, state)
          resolve(state)
        },
        (error) => {
          settle('refused')
          reject(error)
        },
        started,
      )
    })
    answered.then(
      (states) => {
        this.log(`  all of ${states.map(({ request }) => request.label).join()}`)
        for (const id of members) this.judge.incomplete.delete(id)
        const granted = new Set(states.map(({ request }) => request.label))
        for (const id of members) {
          const claim = this.model.claims.get(id)
          if (claim?.ended === null && !granted.has(id)) this.model.violate(`${id} is left of an earlier round`)
        }
        this.react(
          { ...caller, ask: next.then === null ? ask : { ...ask, then: next.then } },
          next.then,
          members.at(-1) ?? null,
        )
      },
      (error: unknown) => {
        this.log(`  none of ${members.join()}: ${isLockError(error) ? error.code : String(error)}`)
        for (const id of members) {
          this.judge.incomplete.delete(id)
          if (this.model.claims.get(id)?.ended === null) this.model.violate(`${id} is held, and others were refused`)
        }
      },
    )
  }

  /** Null where the owner has closed: he is refused, and another takes his place. */
  private optionsOf(
    process: Process,
    { owner: index, mode, maxHold, keep, record }: Omit<Ask, 'path'>,
  ): AcquireOptions | null {
    const named = index === null ? undefined : process.owners[index]
    const options: AcquireOptions = { mode, maxHold, keep, record, label: this.newId(), owner: named?.owner }
    if (index === null || named?.owner.closed !== true) return options
    let answer = 'nothing'
    try {
      tryRequest(process.locate, '/a', options)
    } catch (error) {
      if (isLockError(error)) answer = error.code
    }
    if (answer !== 'ERR_LOCK_OWNER_CLOSED') this.model.violate(`a closed owner acquired, and was told ${answer}`)
    this.newOwner(process, index)
    return null
  }

  private react({ process }: Caller, next: Call | null, own: string | null): void {
    if (next === null || this.finishing || !this.processes.includes(process)) return
    this.log(`  then ${describe(next)}`)
    this.safely(() => this.call(next, own))
  }

  /** In a callback, where what is thrown would be lost. */
  private safely(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.model.violate(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }

  /** Asking for the signal is a look at the hold as well, so only every second one's is asked for. */
  private watchSignal(id: string, state: HoldState): void {
    if (Number(id) % 2 === 0) return
    const claim = this.model.claims.get(id)
    if (claim === undefined) return // nothing is left of it
    const reasons: LostReason[] = []
    const caller = this.callers.get(id)
    const aborted = (): void => {
      if (isLockError(signal.reason, 'ERR_LOCK_LOST')) reasons.push(signal.reason.reason)
      if (caller !== undefined) this.react(caller, caller.ask.onLoss, id)
    }
    this.model.touch(claim)
    const { signal } = state
    this.aborted.set(id, reasons)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted)
  }

  private release(id: string): void {
    const claim = this.model.claims.get(id)
    const state = this.judge.states.get(id)
    if (claim === undefined || state === undefined) return
    this.model.end(claim, 'released')
    state.end(null)
  }

  private releaseAll(process: Process): void {
    const { model } = this
    const held = [...model.claims.values()].filter((claim) => claim.thread === process && model.held(claim))
    for (const { id } of held) this.judge.ending.set(id, 'released-all')
    const ended = process.coordinator.holds.filter((hold) => hold.end('released-all', 'all')).length
    for (const { id } of held) this.judge.ending.delete(id)
    const told = held.filter((claim) => claim.ended === 'released-all').length
    if (ended !== told) model.violate(`releaseAll ended ${ended}, not ${told}`)
    if (held.some((claim) => claim.ended === null)) model.violate('releaseAll left some')
    deliverEvents()
  }

  private exitGuard(claim: Claim, state: HoldState): void {
    this.model.exitGuard(claim)
    state.exitGuard()
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
      this.system.deliverOne(index)
      await this.drain()
    }
    for (let rest = loop.pendingImmediates; rest > 0; rest--) {
      loop.runImmediate()
      await this.drain()
    }
  }

  private notice(kernel: FakeKernel): number {
    return this.system.undelivered.indexOf(kernel)
  }

  /** Until nothing can move any more, without time passing. */
  private async rest(): Promise<void> {
    const before = [...this.model.claims.values()]
    await this.drain()
    for (let round = 0; ; round++) {
      if (round === MOST_ROUNDS) throw new Error('it never rests')
      this.watch()
      const woken = this.wakeAll()
      const busy = this.processes.filter(({ loop, kernel }) => {
        return loop.hasDueTimer || loop.pendingImmediates > 0 || this.notice(kernel) >= 0
      })
      for (const process of busy) await this.turn(process)
      if (!woken && busy.length === 0) break
    }
    this.model.checkTimers(before)
  }

  private wakeAll(): boolean {
    let woken = false
    while (this.system.wake(0)) woken = true
    return woken
  }

  private passed(): void {
    if (!this.system.watchdogSleeps) this.watch()
  }

  private watch(): void {
    this.system.watch()
    this.model.sweep()
  }

  /** Whoever still waits is served once everybody lets go; then nothing is left. */
  private async finish(): Promise<void> {
    const { system, model } = this
    this.log('finish')
    this.finishing = true
    system.threads = Infinity
    system.watchdogSleeps = false
    for (let round = 0; round < 200 && (model.wishes.size > 0 || model.remaining().length > 0); round++) {
      for (const claim of [...model.claims.values()]) {
        const state = this.judge.states.get(claim.id)
        while (claim.guards > 0 && state !== undefined) this.exitGuard(claim, state)
        if (!this.judge.incomplete.has(claim.id)) this.release(claim.id)
      }
      await this.rest()
      this.time.now += 60
      this.passed()
      this.check()
      if (model.violations.length > 0) return
    }
    await this.rest()
    this.check()
    for (const wish of model.wishes.values()) model.violate(`${wish.id} was never answered`)
    for (const { id } of model.claims.values()) model.violate(`P6: the end of ${id} was never told`)
    for (const { id, state } of this.leases()) model.violate(`lease ${id} is left, ${state}`)
    for (const { name, coordinator, loop, owners } of this.processes) {
      const { queuesByPath, detachedQueues, waits, arrivals } = coordinator
      const left = [queuesByPath.size, detachedQueues.size, waits.size, arrivals.size].join()
      if (left !== '0,0,0,0') model.violate(`queues, detached queues, waits, arrivals of ${name} are left: ${left}`)
      if (loop.pendingTimers > 0) model.violate(`${loop.pendingTimers} timers of ${name} are left`)
      for (const { owner, label } of owners) {
        const { holds, waits } = Owner.stateOf(owner)
        if (holds.size + waits.size > 0) model.violate(`${label} keeps ${holds.size} holds and ${waits.size} waits`)
      }
    }
  }

  /** What is visible agrees with the model, and the system has a lock for what lasts and none for what does not. */
  private check(): void {
    const { model, judge } = this
    // Where there is no thread, a wait finds out at its next try only that two names are of one file.
    if (this.everShortOfThreads) model.checkDoomed()
    else model.checkWaits()
    for (const claim of model.claims.values()) {
      const held = judge.states.get(claim.id)?.held
      if (held !== model.held(claim)) model.violate(`P6: held of ${claim.id} is ${held}`)
      if (claim.ended !== null && !claim.told) model.violate(`P6: the end of ${claim.id} was not told`)
    }
    judge.prune((claim, state) => {
      const { id, ended } = claim
      if (state !== undefined) this.past.push(state)
      if (this.past.length > 8) this.past.shift()
      this.callers.delete(id)
      const reasons = this.aborted.get(id)?.join()
      this.aborted.delete(id)
      const expected = ended === 'released' ? '' : ended
      if (reasons !== undefined && reasons !== expected) {
        model.violate(`the signal of ${id} aborted [${reasons}], not [${expected}]`)
      }
    })
    const claims = new Map<object, Claim[]>()
    for (const claim of model.claims.values()) add(claims, claim.thread, claim)
    for (const process of this.processes) this.checkProcess(process, claims.get(process) ?? [])
  }

  private checkProcess(process: Process, claims: readonly Claim[]): void {
    const { model } = this
    const held = claims.filter((claim) => model.held(claim))
    const told = process.coordinator.holds.filter((hold) => hold.held)
    const agrees =
      told.length === held.length && told.every(({ request }) => held.some(({ id }) => id === request.label))
    if (!agrees) {
      const ids = [told.map(({ request }) => request.label).join(), held.map(({ id }) => id).join()]
      model.violate(`holds() of ${process.name} tells of [${ids[0]}], not of [${ids[1]}]`)
    }
    for (const { owner, label } of process.owners) {
      const own = held.filter((claim) => claim.owner === label).length
      let count = 0
      for (const hold of Owner.stateOf(owner).holds) if (hold.held) count++
      if (count !== own) model.violate(`${label} has ${count} holds, not ${own}`)
    }
    const leases = this.system.leasesOf(process.kernel)
    const wishes = [...model.wishes.values()].filter((wish) => wish.thread === process)
    const blocked = new Set<string>()
    for (const lease of leases) {
      const { id, inode, mode, state } = lease
      const what = `lease ${id} of ${process.name} (${state}, ${mode})`
      if (state === 'orphaned' || state === 'waiting') {
        const key = `${inode.number} ${mode} ${state}`
        if (blocked.has(key)) model.violate(`P5: a second thread: ${what}`)
        blocked.add(key)
      }
      if (state !== 'orphaned') this.checkWanted(lease, what, claims, wishes)
    }
    if (claims.length === 0 && wishes.length === 0) this.checkIdle(process)
    for (const claim of claims) {
      if (!model.keeps(claim)) continue
      const lease = leases.find(({ inode, state }) => inode === claim.inode && state === 'held')
      if (lease === undefined) model.violate(`P1: ${claim.id} has no lock of the system`)
      else if (claim.mode === 'exclusive' && lease.mode === 'shared') model.violate(`P1: ${claim.id} shares its lock`)
      let guards = 0
      for (const other of claims) if (other.inode === claim.inode) guards += other.guards
      if (lease !== undefined && lease.guards !== guards) model.violate(`lease ${lease.id} has ${lease.guards} guards`)
    }
  }

  private checkWanted(
    { inode, state }: FakeLease,
    what: string,
    claims: readonly Claim[],
    wishes: readonly { readonly path: string }[],
  ): void {
    const { model, system } = this
    if (
      state === 'held' &&
      claims.some((claim) => claim.inode === inode && (model.keeps(claim) || model.lingers(claim)))
    )
      return
    // A lock is kept for those who are next, and a path that was replaced may have stood for any file of its group.
    const paths = PATHS.filter((path) => system.inodeOf(`${path}.hold`) === inode)
    const wanted = wishes.some((wish) => paths.length === 0 || paths.some((path) => model.related({ path }, wish)))
    if (!wanted) model.violate(`P5: ${what} is left for nobody`)
  }

  /** Who holds nothing and waits for nothing keeps nothing: no queue, no wait, no timer. */
  private checkIdle({ name, coordinator, loop }: Process): void {
    const { queuesByPath, detachedQueues, waits } = coordinator
    const left = queuesByPath.size + detachedQueues.size + waits.size
    if (left > 0) this.model.violate(`${name} is idle and has ${left} queues and waits`)
    if (loop.pendingTimers > 0) this.model.violate(`${name} is idle and has ${loop.pendingTimers} timers`)
  }

  private leases(): FakeLease[] {
    return this.processes.flatMap(({ kernel }) => this.system.leasesOf(kernel))
  }

  private newProcess(index: number): void {
    const process = new Process(`process-${index}.${++this.last}`, this.system, this.time, this.judge)
    for (let owner = 0; owner < this.schedule.owners; owner++) this.newOwner(process, owner)
    this.processes[index] = process
  }

  private newOwner(process: Process, index: number): void {
    const controller = new AbortController()
    const label = `owner-${++this.last}`
    const maxHold = index === 1 ? OWNER_MAX_HOLD : undefined
    process.owners[index] = { label, controller, owner: new Owner(label, { signal: controller.signal, maxHold }) }
  }

  private newId(): string {
    return String(++this.last)
  }

  private process(index: number): Process {
    const process = this.processes[index]
    if (process === undefined) throw new Error(`no process ${index}`)
    return process
  }

  /** Those that a program knows of and may act on. */
  private living(): Claim[] {
    return this.model.remaining().filter(({ id, ended }) => ended === null && !this.judge.incomplete.has(id))
  }

  private guarded(): Claim[] {
    return [...this.model.claims.values()].filter(({ id, guards }) => guards > (this.leaving.get(id) ?? 0))
  }

  private on(claims: Claim[], which: number, act: (claim: Claim, state: HoldState) => void): void {
    const claim = pick(claims, which)
    const state = claim && this.judge.states.get(claim.id)
    if (claim !== undefined && state !== undefined) act(claim, state)
  }

  private expectLost(legal: boolean, what: string, act: () => void): void {
    let answer = 'went on'
    try {
      act()
    } catch (error) {
      answer = isLockError(error) ? error.code : String(error)
    }
    if (answer !== (legal ? 'went on' : 'ERR_LOCK_LOST')) this.model.violate(`${what}: ${answer}`)
  }

  private log(line: string): void {
    this.hash.add(line)
    this.trace(line)
  }
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % from.length]
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function describe(step: Step): string {
  let text: string = step.do
  for (const [name, value] of Object.entries(step)) {
    if (name === 'do' || value === null || value === false) continue
    text += typeof value === 'object' ? ` ${name}=(…)` : ` ${name}=${value}`
  }
  return text
}
