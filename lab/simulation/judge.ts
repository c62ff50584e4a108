// What is judged beside the reference model: that every request is answered once, that events tell what happened, when it
// happened and in the order in which they are delivered, and that fencing numbers grow.
//
// It is told at the very moment: of answers by a coordinator that is listened to, of events by the counters of their topics.
import { held, leaked, overrun, released, revoked, countAcquires } from '../../src/channels.js'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { Coordinator } from '../../src/coordination/coordinator.js'
import type { HoldState } from '../../src/coordination/hold-state.js'
import type { OwnerState } from '../../src/coordination/owner-state.js'
import { isLockError, type LostReason } from '../../src/errors.js'
import type { AcquireOutcome, AcquireTrace, LockEvent } from '../../src/events.js'
import type { Clock } from '../../src/kernel/clock.js'
import type { Kernel } from '../../src/kernel/kernel.js'
import type { Request } from '../../src/options.js'
import { ReferenceModel, type Claim, type Wish } from '../../test/helpers/reference-model.js'

export class Judge {
  readonly model: ReferenceModel
  readonly states = new Map<string, HoldState>()
  /** Owners by what they are called in the model, where each has a name of its own. */
  readonly ownerNames = new Map<OwnerState, string>()
  /** Holds of requests for several files that are not complete yet: the library may release them. */
  readonly incomplete = new Set<string>()
  /** Holds that are being ended, one after another, and why: listeners run in between. */
  readonly ending = new Map<string, LostReason>()
  /** No record could be written, for a while at least. */
  everReadOnly = false
  /** What the system was made to fail. */
  failures = 0
  private readonly asking: string[] = []
  private readonly log: (line: string) => void
  /** Told of the beginning of a hold, and not answered yet. */
  private readonly begun = new Set<string>()
  private readonly traced = new Map<string, AcquireOutcome>()
  private readonly undelivered: string[] = []
  private readonly fences = new Map<object, number>()
  /** Ends that were told of holds that nothing more is kept of. */
  private readonly over = new Set<string>()
  private readonly subscribers: ((id: string) => void)[] = []

  constructor(model: ReferenceModel, log: (line: string) => void) {
    this.model = model
    this.log = log
  }

  /** `subscriber` is called when the end of a hold is delivered. */
  onEnd(subscriber: (id: string) => void): void {
    this.subscribers.push(subscriber)
  }

  /** A call that makes a request: others may be made before it returns. */
  ask<T>(request: Request, thread: object, asked: number, call: () => T): T {
    this.asked(request, thread, asked)
    this.asking.push(idOf(request))
    try {
      return call()
    } finally {
      this.asking.pop()
    }
  }

  private asked(request: Request, thread: object, asked: number): void {
    const id = idOf(request)
    const { owner, mode, file, timeout, maxHold, signal } = request
    const name = owner === null ? null : this.nameOf(owner)
    const path = file.target
    const during = new Set(this.asking)
    const wish: Wish = { id, thread, owner: name, mode, path, asked, timeout, maxHold, during, doomed: null }
    this.model.ask(wish)
    if (signal?.aborted === true) this.model.doom(wish, 'aborted')
    if (owner?.closed === true) this.model.doom(wish, 'owner-closed')
  }

  granted(request: Request, state: HoldState): void {
    const id = idOf(request)
    this.log(`  ${id} granted${state.fence === null ? '' : ` ${state.fence}`}`)
    if (!this.begun.delete(id)) this.model.violate(`events: no event told that the hold of ${id} began`)
    this.model.granted(id)
    const claim = this.model.claims.get(id)
    if (claim === undefined) return
    this.states.set(id, state)
    this.checkFence(claim, request, state.fence)
  }

  refused(request: Request, error: unknown): void {
    const id = idOf(request)
    const code = isLockError(error) ? error.code : String(error)
    this.log(`  ${id} refused: ${code}`)
    const wish = this.model.wishes.get(id)
    if (isLockError(error, 'ERR_LOCK_DEADLOCK') && wish !== undefined) {
      // Whoever has no name of his own cannot be told apart in the circle.
      if (error.cycle.every(({ owner }) => owner !== '')) this.model.refusedCircle(wish, error.cycle)
    }
    if (code === 'ERR_LOCK_SYSTEM' && wish !== undefined && this.failures > 0) {
      this.failures--
      this.model.wishes.delete(id)
      this.model.note(code)
      return
    }
    this.model.refused(id, code)
  }

  /** Forgets holds of which nothing is left; `last` is told of each. */
  prune(last: (claim: Claim, state: HoldState | undefined) => void): void {
    for (const claim of this.model.claims.values()) {
      if (claim.ended === null || !claim.told || claim.guards > 0) continue
      last(claim, this.states.get(claim.id))
      this.model.claims.delete(claim.id)
      this.states.delete(claim.id)
      this.over.add(claim.id)
    }
  }

  /** The queue of microtasks is empty. */
  drained(): void {
    if (this.undelivered.length > 0) this.model.violate(`events: never delivered: ${this.undelivered.join()}`)
    if (this.traced.size > 0)
      this.model.violate(`events: no answer but a trace of one: ${[...this.traced.keys()].join()}`)
    this.undelivered.length = 0
    this.traced.clear()
  }

  /** A request that was traced is answered now. */
  settled(id: string, outcome: 'granted' | 'refused'): void {
    const traced = this.traced.get(id)
    this.traced.delete(id)
    if (traced === undefined) this.model.violate(`events: the answer of ${id} was not traced`)
    else if ((traced === 'granted') !== (outcome === 'granted')) {
      this.model.violate(`events: ${id} was ${outcome}, and traced as ${traced}`)
    }
  }

  countHeld({ label, waited }: LockEvent & { waited: number }): void {
    const id = String(label)
    if (this.begun.has(id) || this.states.has(id) || this.over.has(id)) {
      this.model.violate(`events: the hold of ${id} began twice`)
    }
    if (waited < 0) this.model.violate(`events: ${id} waited ${waited}`)
    this.begun.add(id)
    this.undelivered.push(`hold ${id}`)
  }

  countEnd({ label, queued }: LockEvent, reason: LostReason): void {
    const id = String(label)
    this.log(`  ${id} ends: ${reason}`)
    this.undelivered.push(`end ${id}`)
    if (this.over.has(id)) this.model.violate(`P6: the end of ${id} was told again`)
    if (queued < 0) this.model.violate(`events: ${queued} are queued`)
    const claim = this.model.claims.get(id)
    const byLibrary = (reason === 'released' && this.incomplete.has(id)) || this.ending.get(id) === reason
    if (claim !== undefined && byLibrary) this.model.end(claim, reason)
    this.model.toldOf(id, reason)
  }

  countLeak({ label }: LockEvent): void {
    const claim = this.model.claims.get(String(label))
    if (claim !== undefined && claim.ended !== 'collected') this.model.violate(`events: ${label} is no leak`)
    this.undelivered.push(`leak ${label}`)
    this.model.note('leak')
  }

  countOverrun({ label }: LockEvent): void {
    const claim = this.model.claims.get(String(label))
    if (claim?.guards === 0) this.model.violate(`events: ${label} overruns without a guard`)
    this.undelivered.push(`overrun ${label}`)
    this.model.note('overrun')
  }

  countAnswer({ label, outcome, waited, timeout }: AcquireTrace): void {
    const id = String(label)
    if (this.traced.has(id)) this.model.violate(`events: the answer of ${id} was traced twice`)
    if (outcome === 'timeout' && waited < timeout) this.model.violate(`events: ${id} timed out after ${waited}`)
    this.traced.set(id, outcome ?? 'failed')
  }

  deliver(what: string, { label }: LockEvent): void {
    const next = this.undelivered.shift()
    if (next !== `${what} ${label}`) this.model.violate(`events: ${what} ${label} came instead of ${next}`)
    if (what === 'end') for (const subscriber of this.subscribers) subscriber(String(label))
  }

  private nameOf(owner: OwnerState): string {
    const known = this.ownerNames.get(owner)
    if (known !== undefined) return known
    const name = owner.label === '' ? `(owner ${this.ownerNames.size})` : owner.label
    this.ownerNames.set(owner, name)
    return name
  }

  private checkFence({ id, inode }: Claim, { mode, record }: Request, fence: number | null): void {
    if (fence === null) {
      const due = mode === 'exclusive' && record && !this.everReadOnly
      if (due) this.model.violate(`fences: ${id} has none`)
      return
    }
    const last = this.fences.get(inode) ?? -1
    if (mode === 'shared' || !record) this.model.violate(`fences: ${id} has one`)
    if (fence <= last) this.model.violate(`fences: ${id} has ${fence} after ${last}`)
    this.fences.set(inode, fence)
  }
}

/** A coordinator whose answers the judge sees when they are given. */
export class WatchedCoordinator extends Coordinator {
  private readonly judge: Judge
  private readonly thread: object

  constructor(kernel: Kernel, clock: Clock, judge: Judge, thread: object) {
    super(kernel, clock)
    this.judge = judge
    this.thread = thread
  }

  override acquire(
    request: Request,
    resolve: (hold: HoldState) => void,
    reject: (error: unknown) => void,
    started = this.clock.now(),
  ): void {
    const granted = (state: HoldState): void => {
      this.judge.granted(request, state)
      resolve(state)
    }
    const refused = (error: unknown): void => {
      this.judge.refused(request, error)
      reject(error)
    }
    this.judge.ask(request, this.thread, started, () => super.acquire(request, granted, refused, started))
  }
}

/** Requests are told apart by their labels. */
function idOf({ label }: Request): string {
  return label ?? ''
}

/** Has `current()` told of every event. Answers how to end it. */
export function listen(current: () => Judge | undefined): () => void {
  const ends = [
    held.count((event) => current()?.countHeld(event)),
    released.count((event) => current()?.countEnd(event, 'released')),
    revoked.count((event) => current()?.countEnd(event, event.reason)),
    leaked.count((event) => current()?.countLeak(event)),
    overrun.count((event) => current()?.countOverrun(event)),
    countAcquires({ waits: () => {}, answered: (trace) => current()?.countAnswer(trace) }),
  ]
  const names = { hold: 'hold', release: 'end', revoke: 'end', leak: 'leak', overrun: 'overrun' }
  for (const [name, what] of Object.entries(names)) {
    const listener = (event: unknown): void => {
      if (isLockEvent(event)) current()?.deliver(what, event)
    }
    subscribe(`holdfast:${name}`, listener)
    ends.push(() => void unsubscribe(`holdfast:${name}`, listener))
  }
  return () => {
    for (const end of ends) end()
  }
}

function isLockEvent(event: unknown): event is LockEvent {
  return typeof event === 'object' && event !== null && 'label' in event
}
