// What programs do: they ask for locks, and act on what they hold, also in the middle of something else.
//
// The model is told of each call before it is made.
import { getEventListeners } from 'node:events'

import { deliverEvents } from '../../src/channels.js'
import { acquireAll } from '../../src/coordination/acquire-all.js'
import type { HoldState } from '../../src/coordination/hold-state.js'
import { isLockError, type LostReason } from '../../src/errors.js'
import { acquireAllRequests, acquireRequest, tryRequest, type AcquireOptions, type Request } from '../../src/options.js'
import { tracedAcquire } from '../../src/traced-acquire.js'
import type { Claim, ReferenceModel } from '../../test/helpers/reference-model.js'
import type { Judge } from './judge.js'
import { describe, PATHS, type Ask, type Call } from './steps.js'
import type { Process, World } from './world.js'

/** Who asked, and what he does when he is answered. */
interface Caller {
  readonly process: Process
  readonly ask: Ask
  readonly controller: AbortController | null
}

export class Programs {
  /** They act no more of their own accord. */
  finishing = false
  private readonly world: World
  private readonly model: ReferenceModel
  private readonly judge: Judge
  private readonly callers = new Map<string, Caller>()
  /** Why the signals of holds aborted, for those that were asked for. */
  private readonly aborted = new Map<string, LostReason[]>()
  /** Guards that will be left in a microtask. */
  private readonly leaving = new Map<string, number>()
  /** Some of those that have ended. */
  private readonly past: HoldState[] = []

  constructor(world: World) {
    this.world = world
    this.model = world.model
    this.judge = world.judge
    this.judge.onEnd((id) => {
      const caller = this.callers.get(id)
      if (caller !== undefined) this.react(caller, caller.ask.onEvent, id)
    })
  }

  /** What a program does; `own` is the hold that it was just told of. */
  call(next: Call, own: string | null): void {
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
            this.world.safely(() => this.exitGuard(claim, state))
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
          const named = this.world.system.inodeOf(`${claim.path}.hold`) === claim.inode
          if (model.held(claim) && !named) model.end(claim, 'replaced')
          model.touch(claim)
          this.expectLost(model.held(claim), `assertHeld of ${claim.id}`, () => state.assertHeld())
        })
        break
      case 'close owner':
      case 'signal owner': {
        const named = this.world.process(next.process).owners[next.owner]
        if (named === undefined) break
        model.closeOwner(named.label)
        if (next.do === 'close owner') named.owner.close('closed')
        else named.controller.abort('signalled')
        break
      }
      case 'release all':
        this.releaseAll(this.world.process(next.process))
        break
    }
  }

  private acquire(ask: Extract<Call, { do: 'acquire' }>): void {
    const process = this.world.process(ask.process)
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
    const { controller } = caller
    answered.then(
      (state) => {
        this.judge.settled(id, 'granted')
        this.checkListeners(id, controller)
        this.watchSignal(id, state)
        this.react(caller, caller.ask.then, id)
      },
      () => {
        this.judge.settled(id, 'refused')
        this.checkListeners(id, controller)
        this.react(caller, caller.ask.then, null)
      },
    )
  }

  /** Who was answered listens to his signal no more. */
  private checkListeners(id: string, controller: AbortController | null): void {
    if (controller === null || getEventListeners(controller.signal, 'abort').length === 0) return
    this.model.violate(`${id} was answered and listens to its signal`)
  }

  private tryNow(ask: Extract<Call, { do: 'try' }>): void {
    const process = this.world.process(ask.process)
    const options = this.optionsOf(process, ask)
    if (options === null) return
    const request = tryRequest(process.locate, ask.path, options)
    const id = String(request.label)
    this.callers.set(id, { process, ask, controller: null })
    try {
      const { coordinator } = process
      const asked = { ...request, timeout: 0 }
      const state = this.judge.ask(asked, process, this.world.time.now, () => coordinator.tryAcquire(request))
      if (state === null) {
        this.world.log(`  ${id} busy`)
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
    const process = this.world.process(next.process)
    const controller = new AbortController()
    const options = this.optionsOf(process, next)
    if (options === null) return
    const { timeout, paths } = next
    const ask: Ask = { ...next, path: paths[0] ?? PATHS[0], then: null }
    const caller = { process, ask, controller }
    const members: string[] = []
    const requests = acquireAllRequests(process.locate, paths, { ...options, timeout, signal: controller.signal })
    const answered = acquireAll(process.coordinator, requests, (request, resolve, reject, started) => {
      const id = this.world.newId()
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
        this.world.log(`  all of ${states.map(({ request }) => request.label).join()}`)
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
        this.world.log(`  none of ${members.join()}: ${isLockError(error) ? error.code : String(error)}`)
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
    const options: AcquireOptions = { mode, maxHold, keep, record, label: this.world.newId(), owner: named?.owner }
    if (index === null || named?.owner.closed !== true) return options
    let answer = 'nothing'
    try {
      tryRequest(process.locate, '/a', options)
    } catch (error) {
      if (isLockError(error)) answer = error.code
    }
    if (answer !== 'ERR_LOCK_OWNER_CLOSED') this.model.violate(`a closed owner acquired, and was told ${answer}`)
    this.world.newOwner(process, index)
    return null
  }

  private react({ process }: Caller, next: Call | null, own: string | null): void {
    if (next === null || this.finishing || !this.world.processes.includes(process)) return
    this.world.log(`  then ${describe(next)}`)
    this.world.safely(() => this.call(next, own))
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

  release(id: string): void {
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

  exitGuard(claim: Claim, state: HoldState): void {
    this.model.exitGuard(claim)
    state.exitGuard()
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

  /** Everything is let go of. */
  letGo(): void {
    for (const claim of [...this.model.claims.values()]) {
      const state = this.judge.states.get(claim.id)
      while (claim.guards > 0 && state !== undefined) this.exitGuard(claim, state)
      if (!this.judge.incomplete.has(claim.id)) this.release(claim.id)
    }
  }

  /** Forgets holds of which nothing is left: their signals must have said why. */
  forget(): void {
    this.judge.prune(({ id, ended }, state) => {
      if (state !== undefined) this.past.push(state)
      if (this.past.length > 8) this.past.shift()
      this.callers.delete(id)
      const reasons = this.aborted.get(id)?.join()
      this.aborted.delete(id)
      const expected = ended === 'released' ? '' : ended
      if (reasons !== undefined && reasons !== expected) {
        this.model.violate(`the signal of ${id} aborted [${reasons}], not [${expected}]`)
      }
    })
  }
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % from.length]
}
