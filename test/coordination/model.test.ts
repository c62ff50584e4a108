// Everything a caller, the system and the clock can do, in any order, over several threads, owners and files: after each
// step coordination agrees with a small reference model (test/helpers/reference-model.ts), and at the end nothing is left.
//
// It runs synchronously, on the coordinator: so each answer is judged at the moment at which it is given.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { Coordinator } from '../../src/coordination/coordinator.js'
import type { HoldState } from '../../src/coordination/hold-state.js'
import { isLockError, type LostReason } from '../../src/errors.js'
import { deliverEvents } from '../../src/channels.js'
import type { Mode } from '../../src/kernel/kernel.js'
import { acquireRequest, tryRequest, type AcquireOptions, type Locate } from '../../src/options.js'
import { Owner } from '../../src/owner.js'
import { FakeWorld, microtasks, type FakeThread } from '../helpers/fake-world.js'
import { ReferenceModel, type Claim, type Wish } from '../helpers/reference-model.js'

const THREADS = 3
const OWNERS = 2
/** The third is another name of the first. */
const PATHS = ['/a', '/b', '/x']
const OWNER_MAX_HOLD = 60
const LENGTH = { minLength: 1, maxLength: 80, size: 'max' } as const

// Most of it happens in one place, so that it meets.
const thread = fc.constantFrom(0, 0, 0, 1, 2)
const path = fc.constantFrom('/a', '/a', '/x', '/b')
const which = fc.nat(50)
const asks = {
  thread,
  path,
  mode: fc.constantFrom<Mode>('exclusive', 'shared'),
  owner: fc.constantFrom(null, 0, 1),
  maxHold: fc.constantFrom(Infinity, 5, 40),
  keep: fc.constantFrom(false, false, false, true),
}

const steps = [
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      ...asks,
      timeout: fc.constantFrom(0, 5, 50, Infinity, Infinity),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tryAcquire' as const), ...asks }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('release' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release again' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('extend' as const), which, by: fc.constantFrom(3, 30, Infinity) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('enter guard' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('exit guard' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('collect' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('assertHeld' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close owner' as const), thread, owner: fc.nat(OWNERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('signal owner' as const), thread, owner: fc.nat(OWNERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('releaseAll' as const), thread }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('terminate' as const), thread }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), milliseconds: fc.constantFrom(1, 10, 120) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('block' as const), milliseconds: fc.constantFrom(5, 10, 200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('watchdog sleeps' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('watch' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('no threads' as const), on: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rest' as const) }) },
] as const
const replacements = [
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), path }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), path, to: path }) },
] as const
const step = fc.oneof(...steps, ...replacements)
// Without replaced files more is certain.
const schedule = fc.oneof(...[fc.oneof(...steps), step].map((one) => fc.array<Step>(one, LENGTH)))
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Ask = Omit<Extract<Step, { do: 'tryAcquire' }>, 'do'> & { timeout?: number }

interface Lane {
  readonly fake: FakeThread
  readonly coordinator: Coordinator
  readonly owners: { owner: Owner; label: string; controller: AbortController }[]
}

class Play {
  readonly world = new FakeWorld()
  readonly model: ReferenceModel
  private readonly lanes: Lane[]
  private readonly states = new Map<string, HoldState>()
  private readonly controllers = new Map<string, AbortController>()
  /** Aborts of the signals of holds. */
  private readonly aborted = new Map<string, LostReason[]>()
  private readonly unwatchedSignals = new Set<string>()
  private last = 0
  private everThreadless = false

  constructor() {
    const { system, clock } = this.world
    system.link('/a.hold', '/x.hold')
    this.model = new ReferenceModel({
      now: () => clock.now(),
      inodeOf: (path) => system.inodeOf(`${path}.hold`),
      available: (path, mode) => system.isAvailable(system.create(`${path}.hold`), mode),
    })
    this.model.merge('/a', '/x')
    this.lanes = Array.from({ length: THREADS }, () => this.newLane())
  }

  run(next: Step): void {
    const { world, model } = this
    const { clock, system } = world
    switch (next.do) {
      case 'acquire':
      case 'tryAcquire':
        this.ask(next)
        break
      case 'release': {
        const claim = pick(this.living(), next.which)
        if (claim !== undefined) this.release(claim)
        break
      }
      case 'release again': {
        const claim = pick([...model.claims.values()], next.which)
        if (claim !== undefined) this.release(claim)
        break
      }
      case 'abort': {
        const wish = pick([...model.wishes.values()], next.which)
        if (wish === undefined) break
        model.doom(wish, 'aborted')
        this.controllers.get(wish.id)?.abort('aborted')
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
        this.on(this.guarded(), next.which, (claim) => this.exitGuard(claim))
        break
      case 'collect':
        this.on(
          this.living().filter(({ id }) => this.states.get(id)?.handle === null),
          next.which,
          (claim, state) => {
            model.end(claim, 'collected')
            state.collected()
          },
        )
        break
      case 'assertHeld':
        this.on(this.living(), next.which, (claim, state) => {
          if (model.held(claim) && system.inodeOf(`${claim.path}.hold`) !== claim.inode) model.end(claim, 'replaced')
          model.touch(claim)
          this.expectLost(model.held(claim), `assertHeld of ${claim.id}`, () => state.assertHeld())
        })
        break
      case 'close owner': {
        const named = this.lanes[next.thread]?.owners[next.owner]
        if (named === undefined) break
        model.closeOwner(named.label)
        named.owner.close('closed')
        break
      }
      case 'signal owner': {
        const named = this.lanes[next.thread]?.owners[next.owner]
        if (named === undefined) break
        model.closeOwner(named.label)
        named.controller.abort('signalled')
        break
      }
      case 'releaseAll': {
        const lane = this.lane(next.thread)
        const held = [...model.claims.values()].filter((claim) => claim.thread === lane && model.held(claim))
        for (const claim of held) model.end(claim, 'released-all')
        const ended = lane.coordinator.holds.filter((hold) => hold.end('released-all', 'all')).length
        if (ended !== held.length) model.violate(`releaseAll ended ${ended}, not ${held.length}`)
        break
      }
      case 'terminate': {
        const lane = this.lane(next.thread)
        model.forget(lane)
        lane.fake.terminate()
        this.lanes[next.thread] = this.newLane()
        break
      }
      case 'remove':
        model.replace(next.path)
        system.remove(`${next.path}.hold`)
        break
      case 'rename':
        model.replace(next.to)
        model.merge(next.path, next.to)
        system.link(`${next.path}.hold`, `${next.to}.hold`)
        break
      case 'deliver':
        system.deliver()
        break
      case 'turn':
        clock.turn()
        break
      case 'pass': {
        const before = [...model.claims.values()]
        clock.advance(next.milliseconds)
        this.swept()
        deliverEvents()
        model.checkTimers(before)
        break
      }
      case 'block':
        clock.block(next.milliseconds)
        this.swept()
        break
      case 'watchdog sleeps':
        system.watchdogSleeps = next.on
        break
      case 'watch':
        system.watch()
        model.sweep()
        break
      case 'no threads':
        system.threadless = next.on
        this.everThreadless ||= next.on
        break
      case 'rest':
        this.rest()
        if (!this.everThreadless) model.checkProgress()
        break
    }
    deliverEvents()
    this.check()
  }

  /** Whoever still waits is served once everybody lets go; then nothing is left. */
  finish(): void {
    const { world, model } = this
    world.system.threadless = false
    world.system.watchdogSleeps = false
    for (let round = 0; round < 100 && (model.wishes.size > 0 || model.remaining().length > 0); round++) {
      for (const claim of [...model.claims.values()]) {
        while (claim.guards > 0) this.exitGuard(claim)
        this.release(claim)
      }
      this.rest()
      world.clock.advance(60)
      deliverEvents()
      this.check()
    }
    this.rest()
    deliverEvents()
    this.check()
    for (const wish of model.wishes.values()) model.violate(`${wish.id} was never answered`)
    for (const { id, told, ended } of model.claims.values()) {
      if (!told) model.violate(`P6: the end of ${id} was never told`)
      const expected = this.unwatchedSignals.has(id) || ended === 'released' ? '' : ended
      const aborted = (this.aborted.get(id) ?? []).join()
      if (aborted !== expected) model.violate(`the signal of ${id} aborted [${aborted}], not [${expected}]`)
    }
    for (const { fake, coordinator, owners } of this.lanes) {
      for (const { id, state } of world.system.leasesOf(fake.kernel)) model.violate(`lease ${id} is left, ${state}`)
      const { queuesByPath, detachedQueues, waits, arrivals } = coordinator
      const left = [queuesByPath.size, detachedQueues.size, waits.size, arrivals.size].join()
      if (left !== '0,0,0,0') model.violate(`queues, detached queues, waits, arrivals are left: ${left}`)
      for (const { owner, label } of owners) {
        const { holds, waits } = Owner.stateOf(owner)
        if (holds.size + waits.size > 0) model.violate(`${label} keeps ${holds.size} holds and ${waits.size} waits`)
      }
    }
    if (world.clock.pending > 0) model.violate(`${world.clock.pending} timers are left`)
  }

  private newLane(): Lane {
    const fake = this.world.thread()
    const lane: Lane = { fake, coordinator: new Coordinator(fake.kernel, fake.clock), owners: [] }
    for (let index = 0; index < OWNERS; index++) this.newOwner(lane, index)
    return lane
  }

  private newOwner(lane: Lane, index: number): void {
    const controller = new AbortController()
    const label = `owner-${++this.last}`
    // The second bounds its holds.
    const maxHold = index === 1 ? OWNER_MAX_HOLD : undefined
    lane.owners[index] = { label, controller, owner: new Owner(label, { signal: controller.signal, maxHold }) }
  }

  private ask(next: Ask): void {
    const { model } = this
    const lane = this.lane(next.thread)
    const named = next.owner === null ? undefined : lane.owners[next.owner]
    const id = String(++this.last)
    const { mode, keep, maxHold, path, timeout } = next
    const options: AcquireOptions = { mode, keep, maxHold, label: id, owner: named?.owner }
    const locate: Locate = (path, where) => lane.fake.kernel.locate(path, where)
    if (next.owner !== null && named?.owner.closed === true) {
      expect(() => tryRequest(locate, path, options)).toThrow(
        expect.objectContaining({ code: 'ERR_LOCK_OWNER_CLOSED' }),
      )
      this.newOwner(lane, next.owner)
      return
    }
    const wish: Wish = {
      id,
      thread: lane,
      owner: named?.label ?? null,
      mode,
      path,
      asked: this.world.clock.now(),
      timeout: timeout ?? 0,
      maxHold: next.owner === 1 ? Math.min(maxHold, OWNER_MAX_HOLD) : maxHold,
      doomed: null,
    }
    model.ask(wish)
    const granted = (state: HoldState): void => {
      this.states.set(id, state)
      model.granted(id)
    }
    if (timeout === undefined) {
      const state = lane.coordinator.tryAcquire(tryRequest(locate, path, options))
      if (state === null) model.refused(id, 'ERR_LOCK_TIMEOUT')
      else granted(state)
    } else {
      const controller = new AbortController()
      this.controllers.set(id, controller)
      const request = acquireRequest(locate, path, { ...options, timeout, signal: controller.signal })
      lane.coordinator.acquire(request, granted, (error) => {
        if (isLockError(error, 'ERR_LOCK_DEADLOCK')) model.refusedCircle(wish, error.cycle)
        model.refused(id, isLockError(error) ? error.code : String(error))
      })
    }
    this.watchSignal(id)
  }

  /** Asking for the signal is a look at the hold as well, so only every second one's is asked for. */
  private watchSignal(id: string): void {
    const state = this.states.get(id)
    if (state === undefined || Number(id) % 2 === 0) {
      this.unwatchedSignals.add(id)
      return
    }
    const reasons: LostReason[] = []
    this.aborted.set(id, reasons)
    const { signal } = state
    signal.addEventListener('abort', () => {
      if (isLockError(signal.reason, 'ERR_LOCK_LOST')) reasons.push(signal.reason.reason)
    })
  }

  private release(claim: Claim): void {
    this.model.end(claim, 'released')
    this.states.get(claim.id)?.end(null)
  }

  private exitGuard(claim: Claim): void {
    this.model.exitGuard(claim)
    this.states.get(claim.id)?.exitGuard()
  }

  private rest(): void {
    for (let round = 0; round < 4; round++) {
      const before = [...this.model.claims.values()]
      this.world.system.watch()
      this.world.system.deliver()
      this.world.clock.advance(0)
      this.model.sweep()
      deliverEvents()
      this.model.checkTimers(before)
    }
  }

  private swept(): void {
    if (!this.world.system.watchdogSleeps) this.model.sweep()
  }

  private lane(index: number): Lane {
    const lane = this.lanes[index]
    if (lane === undefined) throw new Error(`no thread ${index}`)
    return lane
  }

  private living(): Claim[] {
    return this.model.remaining()
  }

  private guarded(): Claim[] {
    return [...this.model.claims.values()].filter(({ guards }) => guards > 0)
  }

  private on(claims: Claim[], which: number, act: (claim: Claim, state: HoldState) => void): void {
    const claim = pick(claims, which)
    const state = claim && this.states.get(claim.id)
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

  /** What is visible agrees with the model, and the system has a lock for what lasts and none for what does not. */
  private check(): void {
    const { model } = this
    model.checkWaits()
    for (const claim of model.claims.values()) {
      const state = this.states.get(claim.id)
      const held = model.held(claim)
      if (state?.held !== held) model.violate(`P6: held of ${claim.id} is ${state?.held}`)
      if (claim.ended !== null && !claim.told) model.violate(`P6: the end of ${claim.id} was not told`)
    }
    for (const lane of this.lanes) {
      const claims = [...model.claims.values()].filter((claim) => claim.thread === lane)
      const told = lane.coordinator.holds.filter(({ held }) => held).map(({ info }) => info.label)
      agree(
        model,
        'holds()',
        told,
        claims.filter((claim) => model.held(claim)),
      )
      for (const { owner, label } of lane.owners) {
        const own = claims.filter((claim) => claim.owner === label && model.held(claim))
        agree(
          model,
          `holds of ${label}`,
          owner.holds.map((info) => info.label),
          own,
        )
      }
      this.checkLeases(lane, claims)
    }
  }

  private checkLeases(lane: Lane, claims: readonly Claim[]): void {
    const { model } = this
    const leases = this.world.system.leasesOf(lane.fake.kernel)
    const wishes = [...model.wishes.values()].filter((wish) => wish.thread === lane)
    const orphans = new Set<string>()
    for (const { id, inode, mode, state } of leases) {
      const what = `lease ${id} (${state}, ${mode})`
      if (state === 'orphaned') {
        if (orphans.has(`${inode.number} ${mode}`)) model.violate(`P5: a second orphan: ${what}`)
        orphans.add(`${inode.number} ${mode}`)
        continue
      }
      // A lock is kept for those who are next, and a path that was replaced may have stood for any file of its group.
      const paths = PATHS.filter((path) => this.world.system.inodeOf(`${path}.hold`) === inode)
      const wanted = wishes.some((wish) => paths.length === 0 || paths.some((path) => model.related({ path }, wish)))
      const kept = claims.some((claim) => claim.inode === inode && (model.keeps(claim) || model.lingers(claim)))
      if (!wanted && !(state === 'held' && kept)) model.violate(`P5: ${what} is left for nobody`)
    }
    for (const claim of claims) {
      if (!model.keeps(claim)) continue
      const lease = leases.find(({ inode, state }) => inode === claim.inode && state === 'held')
      if (lease === undefined) model.violate(`P1: ${claim.id} has no lock of the system`)
      else if (claim.mode === 'exclusive' && lease.mode === 'shared') model.violate(`P1: ${claim.id} shares its lock`)
      const guards = claims.filter(({ inode }) => inode === claim.inode).reduce((sum, { guards }) => sum + guards, 0)
      if (lease !== undefined && lease.guards !== guards) model.violate(`lease ${lease.id} has ${lease.guards} guards`)
    }
  }
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % from.length]
}

function agree(model: ReferenceModel, what: string, told: (string | undefined)[], claims: readonly Claim[]): void {
  const [was, be] = [
    [...told].sort().join(),
    claims
      .map(({ id }) => id)
      .sort()
      .join(),
  ]
  if (was !== be) model.violate(`${what} tells of [${was}], not of [${be}]`)
}

let current: Play | undefined
const seen = new Map<string, number>()

interface Told {
  label: string
  reason?: LostReason
}
const isTold = (event: unknown): event is Told => typeof event === 'object' && event !== null && 'label' in event
const listeners = {
  'holdfast:release': (event: Told) => current?.model.toldOf(event.label, 'released'),
  'holdfast:revoke': (event: Told) => current?.model.toldOf(event.label, event.reason ?? 'released'),
  'holdfast:leak': (event: Told) => {
    const claim = current?.model.claims.get(event.label)
    if (claim !== undefined && claim.ended !== 'collected') current?.model.violate(`${event.label} is no leak`)
    current?.model.note('leak')
  },
  'holdfast:overrun': (event: Told) => {
    const claim = current?.model.claims.get(event.label)
    if (claim !== undefined && claim.guards === 0) current?.model.violate(`${event.label} overruns without a guard`)
    current?.model.note('overrun')
  },
}
const subscriptions = Object.entries(listeners).map(([name, listener]) => {
  const told = (event: unknown): void => {
    if (isTold(event)) listener(event)
  }
  return { name, listener: told }
})

beforeAll(() => {
  for (const { name, listener } of subscriptions) subscribe(name, listener)
})
afterAll(() => {
  for (const { name, listener } of subscriptions) unsubscribe(name, listener)
})

function play(steps: readonly Step[]): void {
  const play = new Play()
  current = play
  const { violations } = play.model
  for (const [index, next] of steps.entries()) {
    play.run(next)
    if (violations.length > 0) throw new Error(`after step ${index} (${next.do}): ${violations.join('; ')}`)
  }
  play.finish()
  if (violations.length > 0) throw new Error(`at the end: ${violations.join('; ')}`)
  for (const [what, times] of play.model.seen) seen.set(what, (seen.get(what) ?? 0) + times)
}

/** What a thousand runs must have met, or they prove little. */
const EVENTS = [
  ...['granted', 're-entered', 'shared', 'ended in a guard', 'ended by its last guard', 'leak', 'overrun'],
  ...['released', 'max-hold', 'owner-closed', 'collected', 'released-all', 'replaced'],
  ...['aborted', 'ERR_LOCK_TIMEOUT', 'ERR_LOCK_OWNER_CLOSED', 'ERR_LOCK_DEADLOCK'],
]

test('whatever is called in whatever order, holds exclude each other, end once, and leave nothing behind', async () => {
  const property = fc.asyncProperty(schedule, async (steps) => {
    play(steps)
    await microtasks()
  })
  await fc.assert(property, { numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 1000) })
  for (const event of EVENTS) expect(seen.get(event) ?? 0, event).toBeGreaterThan(0)
}, 600_000)
