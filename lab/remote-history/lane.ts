// One lane: it takes locks of the database in every way there is, works in them, and ends them in every way there is, for as
// long as it is let. What it writes down is recorder.ts of the history.
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'

import { isLockError, Owner, type Hold } from 'holdfast'
import type { RemoteAcquireOptions, RemoteHoldfast, RemoteTryOptions } from 'holdfast/postgres'

import { KIND, NO_FILE, now, type Mode } from '../history/events.js'
import type { Random } from '../history/random.js'
import {
  Abandoned,
  codeOf,
  type Held,
  type Holder,
  type Lodger,
  type Recorder,
  type Terms,
} from '../history/recorder.js'
import type { FencedWitness } from './witness.js'

/** What the driver has ordered. */
export interface Stage {
  /** No more sections are begun. */
  readonly stopping: boolean
  /** Until it settles, nothing is begun and nothing ended. */
  readonly rest: Promise<void> | null
}

/** What the lanes of a process have in common. */
export interface Company {
  readonly stage: Stage
  readonly recorder: Recorder
  readonly engine: RemoteHoldfast
  readonly witness: FencedWitness
  /** Names that were asked for and not answered, by request. */
  readonly wishes: Map<number, readonly string[]>
}

/** Names from this one on, of which few are asked for, are sometimes held for long. */
const SLOW = 18

/** For sections inside sections: others wait meanwhile, and it may be a deadlock across processes. */
const SHORT = 20

export class RemoteLane {
  private readonly company: Company
  private readonly recorder: Recorder
  private readonly random: Random
  private readonly name: string
  private lodger: Lodger
  private abortOwner: AbortController | null = null
  private readonly late = new Set<Promise<void>>()

  constructor(company: Company, name: string, random: Random) {
    this.company = company
    this.recorder = company.recorder
    this.random = random
    this.name = name
    this.lodger = this.newLodger()
  }

  async run(): Promise<void> {
    const { stage } = this.company
    for (let sections = 1; !stage.stopping; sections++) {
      try {
        await this.section()
      } catch (error) {
        this.recorder.unexpected(error)
      }
      if (sections % 32 === 0) await turn()
    }
    await Promise.all(this.late)
    this.recorder.close(this.lodger, () => this.lodger.owner.close())
  }

  private newLodger(): Lodger {
    this.abortOwner = this.random.chance(0.3) ? new AbortController() : null
    const signal = this.abortOwner?.signal
    return this.recorder.lodge(new Owner(this.name, signal === undefined ? {} : { signal }))
  }

  /** Ends the owner, by itself or by its signal; the lane gets another. */
  private endOwner(): void {
    const { lodger, abortOwner } = this
    this.recorder.close(lodger, () => {
      if (abortOwner === null) lodger.owner.close(new Abandoned())
      else abortOwner.abort(new Abandoned())
    })
    if (this.lodger === lodger) this.lodger = this.newLodger()
  }

  private async section(): Promise<void> {
    const { random, recorder, company } = this
    await company.stage.rest
    const dice = random.next()
    const { length } = recorder.plan.files
    const file = Math.min(random.below(length), random.below(length)) // some are asked for more than others
    if (dice < 0.04) await this.several()
    else if (dice < 0.05) await this.look(file)
    else if (dice < 0.15) await this.whole(file)
    else if (dice < 0.153) await this.keep(file)
    else if (dice < 0.1534) recorder.releaseAll(() => company.engine.releaseAll(new Abandoned()))
    else if (dice < 0.2 && recorder.plan.planted === 'unlocked') await this.pretend(0)
    else {
      const held = await this.ask(file, this.terms())
      if (held !== null) await this.use(held, 0)
    }
  }

  private terms(): Terms {
    const { random } = this
    const mode: Mode = random.chance(0.2) ? 'shared' : 'exclusive'
    const lodger = random.chance(0.4) ? this.lodger : null
    const maxHold = random.chance(0.08) ? 1 + random.below(30) : Infinity
    return { mode, lodger, maxHold, recorded: true }
  }

  private options({ mode, lodger, maxHold }: Terms): RemoteTryOptions {
    const options: RemoteTryOptions = {}
    if (mode === 'shared' || this.random.chance(0.1)) options.mode = mode
    if (lodger !== null) options.owner = lodger.owner
    if (maxHold !== Infinity) options.maxHold = maxHold
    if (this.random.chance(0.1)) options.label = 'a section'
    return options
  }

  /** Long enough for most, and short enough not to stand behind the locks of a host that is cut off. */
  private timeout(): number {
    const dice = this.random.next()
    if (dice < 0.05) return 0
    if (dice < 0.2) return this.random.next() * 50
    return dice < 0.25 ? Infinity : 1000
  }

  private nameOf(file: number): string {
    return this.recorder.plan.files[file]?.path ?? ''
  }

  /** Writes down that it is asked, and answers with what is to be called when it was answered. */
  private wish(id: number, files: readonly number[]): () => void {
    const { wishes } = this.company
    wishes.set(
      id,
      files.map((file) => this.nameOf(file)),
    )
    return () => wishes.delete(id)
  }

  /** Also watches its signal, which fires when the connection is lost. */
  private granted(hold: Holder, file: number, terms: Terms, asked: bigint, id: number, all: number | null): Held {
    const held = this.recorder.granted(hold, file, terms, asked, id, all)
    const { signal } = hold
    const fired = (): void => this.recorder.log.write(KIND.signal, { id, file, code: codeOf(signal.reason) })
    if (signal.aborted) fired()
    else signal.addEventListener('abort', fired)
    return held
  }

  /** Where the database is away, it is asked again in a while. */
  private async refused(id: number, file: number, error: unknown): Promise<void> {
    this.recorder.refused(id, file, error, file === NO_FILE)
    if (codeOf(error) === 'database') await pause(20 + this.random.below(100))
  }

  /** One request; null when it was refused, or the lock was busy. */
  private async ask(file: number, terms: Terms, timeout = this.timeout()): Promise<Held | null> {
    const { recorder, random, company } = this
    const name = this.nameOf(file)
    const options: RemoteAcquireOptions = this.options(terms)
    const id = recorder.nextId()
    const owner = terms.lodger?.number ?? 0
    const asked = now()
    const tries = random.chance(0.12)
    recorder.log.write(KIND.ask, { id, file, mode: terms.mode, owner, time: asked, a: tries ? 0 : timeout })
    const answered = this.wish(id, [file])
    const end = tries ? () => {} : this.disturb(options, terms)
    try {
      const hold = await (tries
        ? company.engine.tryAcquire(name, options)
        : company.engine.acquire(name, { ...options, timeout }))
      if (hold === null) {
        recorder.log.write(KIND.refused, { id, file, code: 'busy' })
        return null
      }
      return this.granted(hold, file, terms, asked, id, null)
    } catch (error) {
      await this.refused(id, file, error)
      return null
    } finally {
      answered()
      end()
    }
  }

  /** Sometimes the wait is aborted or its owner closed, whether it still lasts then or not. */
  private disturb(options: RemoteAcquireOptions, { lodger }: Terms): () => void {
    const { random } = this
    if (random.chance(0.1)) {
      const controller = new AbortController()
      options.signal = controller.signal
      const abort = (): void => controller.abort(new Abandoned())
      if (random.chance(0.2)) {
        queueMicrotask(abort)
        return () => {}
      }
      const timer = setTimeout(abort, random.below(10))
      return () => clearTimeout(timer)
    }
    if (lodger !== null && random.chance(0.01)) {
      // Not cancelled: it may well come into the section.
      setTimeout(() => {
        if (this.lodger === lodger && this.company.stage.rest === null) this.endOwner()
      }, random.below(5))
    }
    return () => {}
  }

  /** Works under a hold, and ends it. */
  private async use(held: Held, depth: number): Promise<void> {
    if (held.file >= SLOW && depth === 0 && this.random.chance(0.3)) await this.linger(held)
    for (let steps = Math.max(0, this.random.below(5) - 2); steps > 0; steps--) await this.step(held, depth)
    await this.company.stage.rest
    await this.leave(held)
  }

  /** For so long that it is inside when something is done to it. */
  private async linger(held: Held): Promise<void> {
    const { recorder, random } = this
    await pause(100 + random.below(1500))
    recorder.check(held)
    await recorder.guard(held, () => this.count(held))
  }

  private async step(held: Held, depth: number): Promise<void> {
    const { random, recorder } = this
    const dice = random.next()
    if (dice < 0.1) await this.count(held)
    else if (dice < 0.3) await turn()
    else if (dice < 0.32) await pause(random.below(random.chance(0.2) ? 100 : 5))
    else if (dice < 0.6) recorder.check(held)
    else if (dice < 0.7) recorder.assert(held)
    else if (dice < 0.8) await recorder.guard(held, () => this.between())
    else if (dice < 0.83) await recorder.guard(held, () => this.count(held))
    else if (dice < 0.88) {
      if (held.limited) recorder.extend(held, 1 + random.below(20))
    } else if (depth < 2 && dice < 0.92) await this.reenter(held, depth)
    else if (depth < 2 && dice < 0.95) await this.inside(held, depth)
    else if (random.chance(recorder.plan.pace.blocks / 1000)) {
      recorder.log.write(KIND.block)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random.next() * recorder.plan.pace.longestBlock)
      recorder.check(held)
    }
  }

  /** The witness: every number comes once. */
  private async count(held: Held): Promise<void> {
    const { id, file, hold, mode } = held
    const { fence } = hold
    if (mode === 'shared' || fence === null || !hold.held) return
    const before = await this.company.witness.read(file, fence)
    if (before === null) return
    await this.between()
    const outcome = await this.company.witness.write(file, fence, before + 1)
    const kind = outcome === 'written' ? KIND.count : KIND.maybe
    if (outcome !== 'refused') this.recorder.log.write(kind, { id, file, a: before + 1 })
  }

  private async between(): Promise<void> {
    const dice = this.random.next()
    if (dice < 0.4) await turn()
    else if (dice < 0.44) await pause(this.random.below(6))
  }

  /** The same owner again; where it holds the lock shared and wants it exclusively, that is refused. */
  private async reenter(held: Held, depth: number): Promise<void> {
    const { lodger } = held
    if (lodger === null) return
    const inner = await this.ask(held.file, { ...this.terms(), lodger }, this.random.below(SHORT))
    if (inner !== null) await this.use(inner, depth + 1)
  }

  /** Another name, or the same without being its owner. */
  private async inside(held: Held, depth: number): Promise<void> {
    const file = this.random.below(this.recorder.plan.files.length)
    const inner = await this.ask(file, this.terms(), this.random.below(SHORT))
    if (inner !== null) await this.use(inner, depth + 1)
    this.recorder.check(held)
  }

  private async look(file: number): Promise<void> {
    const id = this.recorder.nextId()
    const asked = now()
    try {
      await this.company.engine.inspect(this.nameOf(file))
    } catch (error) {
      this.recorder.log.write(KIND.askAll, { id, time: asked })
      await this.refused(id, NO_FILE, error)
    }
  }

  private async leave(held: Held): Promise<void> {
    const { random, recorder } = this
    const { hold, lodger } = held
    const dice = random.next()
    if (dice < 0.01) {
      this.later(held)
    } else if (dice < 0.03 && lodger !== null && lodger === this.lodger) {
      this.endOwner()
      recorder.release(held, () => hold.release())
      await recorder.guard(held, () => Promise.resolve())
    } else {
      recorder.release(held, () => hold.release())
      if (dice < 0.06) hold.release()
      if (dice < 0.08) await recorder.guard(held, () => Promise.resolve())
      else if (dice < 0.1) await turn().then(() => hold.release())
      else if (dice < 0.12) await hold[Symbol.asyncDispose]()
    }
  }

  /** It is released while the lane goes on. */
  private later(held: Held): void {
    const wait = pause(this.random.below(6))
      .then(() => this.company.stage.rest)
      .then(() => this.recorder.release(held, () => held.hold.release()))
    const settled = wait.finally(() => this.late.delete(settled))
    this.late.add(settled)
  }

  private async whole(file: number): Promise<void> {
    const { recorder, company } = this
    const terms = this.terms()
    const timeout = this.timeout()
    const id = recorder.nextId()
    const asked = now()
    const owner = terms.lodger?.number ?? 0
    recorder.log.write(KIND.ask, { id, file, mode: terms.mode, owner, time: asked, a: timeout })
    const answered = this.wish(id, [file])
    const entered: Held[] = []
    try {
      await company.engine.withLock(this.nameOf(file), { ...this.options(terms), timeout }, async (hold) => {
        answered()
        const held = this.granted(hold, file, terms, asked, id, null)
        entered.push(held)
        await this.step(held, 1)
        await company.stage.rest
        recorder.check(held)
        recorder.log.write(KIND.end, { id, file })
      })
      for (const held of entered) recorder.ended(held, 'released')
    } catch (error) {
      answered()
      if (entered.length === 0) await this.refused(id, file, error)
      else if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
      for (const held of entered) recorder.ended(held, codeOf(error))
    }
  }

  private async several(): Promise<void> {
    const { random, recorder, company } = this
    const { files } = recorder.plan
    const chosen = [...new Set(Array.from({ length: 2 + random.below(2) }, () => random.below(files.length)))]
    const mask = chosen.reduce((bits, file) => bits | (1 << file), 0)
    const terms = this.terms()
    const id = recorder.nextId()
    const asked = now()
    const owner = terms.lodger?.number ?? 0
    recorder.log.write(KIND.askAll, { id, a: mask, mode: terms.mode, owner, time: asked })
    const answered = this.wish(id, chosen)
    let set
    try {
      const names = chosen.map((file) => this.nameOf(file))
      set = await company.engine.acquireAll(names, { ...this.options(terms), timeout: random.below(500) })
    } catch (error) {
      await this.refused(id, NO_FILE, error)
      return
    } finally {
      answered()
    }
    const held = set.holds.map((hold) => {
      const file = files.findIndex(({ path }) => path === hold.path)
      return this.granted(hold, file, terms, asked, recorder.nextId(), id)
    })
    for (const one of held) if (random.chance(0.3)) await recorder.guard(one, () => this.count(one))
    await company.stage.rest
    if (random.chance(0.3)) {
      recorder.releaseTogether(held, () => set.release())
      return
    }
    for (const one of held.reverse()) recorder.release(one, () => one.hold.release())
  }

  /** A handle that is not kept, of a hold that is. */
  private async keep(file: number): Promise<void> {
    const { recorder, company } = this
    const maxHold = 1 + this.random.below(20)
    const terms: Terms = { mode: 'exclusive', lodger: null, maxHold, recorded: true }
    const id = recorder.nextId()
    const asked = now()
    recorder.log.write(KIND.ask, { id, file, time: asked, a: 0 })
    try {
      const hold: Hold | null = await company.engine.tryAcquire(this.nameOf(file), { keep: true, maxHold })
      if (hold === null) recorder.log.write(KIND.refused, { id, file, code: 'busy' })
      else this.granted(hold, file, terms, asked, id, null)
    } catch (error) {
      await this.refused(id, file, error)
    }
  }

  /** The planted bug: a section that takes no lock, and asks for no fence. */
  private async pretend(file: number): Promise<void> {
    const { recorder, company } = this
    const holder: Holder = {
      held: true,
      fence: null,
      recoveredFrom: null,
      signal: new AbortController().signal,
      lockfile: '',
      release: () => {},
      assertHeld: () => {},
      extend: () => {},
      guard: async (fn) => fn(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    const id = recorder.nextId()
    const asked = now()
    recorder.log.write(KIND.ask, { id, file, time: asked })
    const terms: Terms = { mode: 'exclusive', lodger: null, maxHold: Infinity, recorded: false }
    const held = recorder.granted(holder, file, terms, asked, id, null)
    const before = await company.witness.peek(file)
    await pause(20)
    if (before !== null && (await company.witness.write(file, null, before + 1)) === 'written') {
      recorder.log.write(KIND.count, { id, file, a: before + 1 })
    }
    recorder.release(held, () => holder.release())
  }
}
