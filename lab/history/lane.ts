// One lane: it takes locks in every way there is, works in them, and ends them in every way there is, for as long as it is let.
import { spawn } from 'node:child_process'
import { relative } from 'node:path'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

import {
  acquire,
  acquireAll,
  holds,
  inspect,
  isLockError,
  Owner,
  releaseAll,
  tryAcquire,
  withLock,
  type AcquireOptions,
  type Hold,
} from 'holdfast'

import { KIND, now, type Mode } from './events.js'
import type { PlannedFile } from './plan.js'
import { Random } from './random.js'
import { Abandoned, codeOf, type Held, type Holder, type Lodger, type Recorder, type Terms } from './recorder.js'

/** What the lanes of a thread have in common. */
export interface Stage {
  readonly recorder: Recorder
  /** No more sections are begun. */
  stopping: boolean
  /** A handle was lost: the collector is wanted. */
  lost(id: number): void
  exit(): never
}

/** For sections inside sections: others wait meanwhile, and it may be a deadlock across processes. */
const SHORT = 20

export class Lane {
  private readonly stage: Stage
  private readonly recorder: Recorder
  private readonly random: Random
  private readonly name: string
  private lodger: Lodger
  private abortOwner: AbortController | null = null
  private readonly late = new Set<Promise<void>>()

  constructor(stage: Stage, name: string, random: Random) {
    this.stage = stage
    this.recorder = stage.recorder
    this.random = random
    this.name = name
    this.lodger = this.newLodger()
  }

  async run(): Promise<void> {
    for (let sections = 1; !this.stage.stopping; sections++) {
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
    const { random } = this
    const dice = random.next()
    const { length } = this.recorder.plan.files
    const file = Math.min(random.below(length), random.below(length)) // some are asked for more than others
    if (dice < 0.03) await this.several()
    else if (dice < 0.05) this.look(file)
    else if (dice < 0.15) await this.whole(file)
    else if (dice < 0.154) this.keep(file)
    else if (dice < 0.1545) await this.leak(file)
    else if (dice < 0.155) this.recorder.releaseAll(() => releaseAll(new Abandoned()))
    else if (dice < 0.165 && this.recorder.plan.planted === 'unlocked') await this.pretend(file)
    else {
      const held = await this.ask(file, this.terms())
      if (held !== null) await this.use(held, 0)
    }
  }

  private terms(): Terms {
    const { random } = this
    const mode: Mode = random.chance(0.2) ? 'shared' : 'exclusive'
    const lodger = random.chance(0.4) ? this.lodger : null
    const maxHold = random.chance(0.12) ? 1 + random.below(15) : Infinity
    return { mode, lodger, maxHold, recorded: random.chance(0.96) }
  }

  private options({ mode, lodger, maxHold, recorded }: Terms): AcquireOptions {
    const options: AcquireOptions = {}
    if (mode === 'shared' || this.random.chance(0.1)) options.mode = mode
    if (lodger !== null) options.owner = lodger.owner
    if (maxHold !== Infinity) options.maxHold = maxHold
    if (!recorded) options.record = false
    if (this.random.chance(0.1)) options.label = 'a section'
    return options
  }

  private timeout(): number {
    const dice = this.random.next()
    if (dice < 0.05) return 0
    if (dice < 0.3) return this.random.next() * 50
    return dice < 0.35 ? Infinity : 10_000
  }

  /** One of the names of a file. */
  private named(file: number): { path: string | URL; lockfile?: string } {
    const planned = this.planned(file)
    const dice = this.random.next()
    if (dice < 0.6) return { path: planned.path }
    if (dice < 0.7) return { path: relative(process.cwd(), planned.path) }
    if (dice < 0.8) return { path: planned.link }
    if (dice < 0.85) return { path: pathToFileURL(planned.path) }
    if (dice < 0.9 || planned.hardLink === null) return { path: `${planned.path}-other`, lockfile: planned.lockfile }
    return { path: planned.path, lockfile: planned.hardLink }
  }

  private planned(file: number): PlannedFile {
    const planned = this.recorder.plan.files[file]
    if (planned === undefined) throw new Error(`no file ${file}`)
    return planned
  }

  /** One request; null when it was refused, or the lock was busy. */
  private async ask(file: number, terms: Terms, timeout = this.timeout(), lost = false): Promise<Held | null> {
    const { recorder, random } = this
    const { path, lockfile } = this.named(file)
    const options = this.options(terms)
    if (lockfile !== undefined) options.lockfile = lockfile
    const id = recorder.nextId()
    if (lost) options.label = `lost:${id}`
    const owner = terms.lodger?.number ?? 0
    const asked = now()
    const tell = (a?: number): void =>
      recorder.log.write(KIND.ask, { id, file, mode: terms.mode, owner, time: asked, ...(a !== undefined && { a }) })
    if (!lost && random.chance(0.12)) {
      try {
        const tried = tryAcquire(path, options)
        if (tried === null) return null
        tell()
        return recorder.granted(tried, file, terms, asked, id, null)
      } catch (error) {
        tell()
        recorder.refused(id, file, error) // its owner may be closed by now
        return null
      }
    }
    tell(timeout)
    const end = this.disturb(options, terms)
    try {
      const hold = await acquire(path, { ...options, timeout })
      return recorder.granted(hold, file, terms, asked, id, null)
    } catch (error) {
      recorder.refused(id, file, error)
      return null
    } finally {
      end()
    }
  }

  /** Sometimes the wait is aborted or its owner closed, whether it still lasts then or not. */
  private disturb(options: AcquireOptions, { lodger }: Terms): () => void {
    const { random } = this
    if (random.chance(0.05)) {
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
        if (this.lodger === lodger) this.endOwner()
      }, random.below(5))
    }
    return () => {}
  }

  /** Works under a hold, and ends it. */
  private async use(held: Held, depth: number): Promise<void> {
    for (let steps = 1 + this.random.below(3); steps > 0; steps--) await this.step(held, depth)
    await this.leave(held)
  }

  private async step(held: Held, depth: number): Promise<void> {
    const { random, recorder } = this
    const dice = random.next()
    if (dice < 0.6) recorder.countNow(held)
    else if (dice < 0.65) await turn()
    else if (dice < 0.656) await pause(random.below(3))
    else if (dice < 0.74) recorder.check(held)
    else if (dice < 0.8) recorder.assert(held)
    else if (dice < 0.9) await recorder.guard(held, () => recorder.countSlowly(held, () => this.between()))
    else if (dice < 0.92) {
      if (held.limited) recorder.extend(held, 1 + random.below(10))
    } else if (depth < 2 && dice < 0.94) await this.reenter(held, depth)
    else if (depth < 2 && dice < 0.945) await this.reenterTwice(held, depth)
    else if (depth < 2 && dice < 0.95) await this.inside(held, depth)
    else if (dice < 0.955) this.lookInside(held)
    else await this.mishap(held)
  }

  private async between(): Promise<void> {
    const dice = this.random.next()
    if (dice < 0.5) await turn()
    else if (dice < 0.54) await pause(this.random.below(6))
  }

  /** The same owner again; where it holds the lock shared and wants it exclusively, that is refused. */
  private async reenter(held: Held, depth: number): Promise<void> {
    const { lodger } = held
    if (lodger === null) return
    const inner = await this.ask(held.file, { ...this.terms(), lodger }, this.random.below(SHORT))
    if (inner !== null) await this.use(inner, depth + 1)
  }

  /** Two at a time: they may overlap each other, so what they count, they count in one step. */
  private async reenterTwice(held: Held, depth: number): Promise<void> {
    const { lodger, mode } = held
    if (lodger === null) return
    const one = async (): Promise<void> => {
      const terms: Terms = { mode, lodger, maxHold: Infinity, recorded: true }
      const inner = await this.ask(held.file, terms, this.random.below(SHORT))
      if (inner === null) return
      this.recorder.countNow(inner)
      await turn()
      this.recorder.countNow(inner)
      await this.leave(inner)
    }
    await Promise.all([one(), one(), depth === 0 ? this.between() : null])
  }

  /** Another file, or the same without being its owner. */
  private async inside(held: Held, depth: number): Promise<void> {
    const file = this.random.below(this.recorder.plan.files.length)
    const inner = await this.ask(file, this.terms(), this.random.below(SHORT))
    if (inner !== null) await this.use(inner, depth + 1)
    this.recorder.check(held)
  }

  private look(file: number): void {
    const { path, lockfile } = this.named(file)
    inspect(path, lockfile === undefined ? {} : { lockfile })
    if (holds().some(({ remaining }) => remaining !== null && remaining < 0)) throw new RangeError('a hold is overdue')
  }

  /** Who holds a lock exclusively is not told that it is free, nor is it granted to a stranger of the same thread. */
  private lookInside(held: Held): void {
    const { file, mode, hold, limited } = held
    const planned = this.planned(file)
    if (limited || mode === 'shared' || planned.inode === null || !hold.held) return
    const { state } = inspect(planned.path)
    if (state !== 'held') this.recorder.unexpected(new Error(`inspect() says ${state} of a lock that is held here`))
    const terms: Terms = { mode: 'shared', lodger: null, maxHold: Infinity, recorded: true }
    const asked = now()
    const stranger = tryAcquire(planned.path, { mode: 'shared' })
    if (stranger === null) return
    const second = this.recorder.granted(stranger, file, terms, asked, this.recorder.nextId(), null)
    this.recorder.check(held)
    this.recorder.release(second, () => stranger.release())
  }

  /** What kills or delays, where it hurts. */
  private async mishap(held: Held): Promise<void> {
    const { random, recorder } = this
    const { pace } = recorder.plan
    const per1000 = random.next() * 1000 * 0.045 // of a thousand steps, some 45 come here
    if (per1000 < pace.suicides) this.die()
    if (per1000 < pace.suicides + pace.exits) {
      recorder.log.write(KIND.exit)
      this.stage.exit()
    }
    if (per1000 < pace.suicides + pace.exits + pace.blocks) {
      const longest = held.limited ? pace.longestBlock : 30
      recorder.log.write(KIND.block)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, random.next() * longest)
    } else if (per1000 < pace.suicides + pace.exits + pace.blocks + pace.children) {
      const child = spawn('sleep', ['5'], { detached: true, stdio: 'ignore' })
      recorder.log.write(KIND.child, { a: child.pid ?? 0 })
      child.unref()
      if (random.chance(0.5)) this.die() // and the child must not keep the lock
    } else if (random.chance(0.05)) {
      await pause(random.below(8))
    }
  }

  private die(): never {
    this.recorder.log.write(KIND.suicide)
    process.kill(process.pid, 'SIGKILL')
    for (;;); // until it arrives
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
    const wait = pause(this.random.below(6)).then(() => this.recorder.release(held, () => held.hold.release()))
    const settled = wait.finally(() => this.late.delete(settled))
    this.late.add(settled)
  }

  private async whole(file: number): Promise<void> {
    const { recorder } = this
    const terms = this.terms()
    const { path, lockfile } = this.named(file)
    const options = this.options(terms)
    if (lockfile !== undefined) options.lockfile = lockfile
    const timeout = this.timeout()
    const id = recorder.nextId()
    const asked = now()
    const owner = terms.lodger?.number ?? 0
    recorder.log.write(KIND.ask, { id, file, mode: terms.mode, owner, time: asked, a: timeout })
    const entered: Held[] = []
    try {
      await withLock(path, { ...options, timeout }, async (hold) => {
        const held = recorder.granted(hold, file, terms, asked, id, null)
        entered.push(held)
        await this.step(held, 1)
        recorder.check(held)
        recorder.log.write(KIND.end, { id, file })
      })
      for (const held of entered) recorder.ended(held, 'released')
    } catch (error) {
      if (entered.length === 0) recorder.refused(id, file, error)
      else if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
      for (const held of entered) recorder.ended(held, codeOf(error))
    }
  }

  private async several(): Promise<void> {
    const { random, recorder } = this
    const { files } = recorder.plan
    const chosen = new Set(Array.from({ length: 2 + random.below(2) }, () => random.below(files.length)))
    const mask = [...chosen].reduce((bits, file) => bits | (1 << file), 0)
    const terms = { ...this.terms(), recorded: true }
    const id = recorder.nextId()
    const asked = now()
    const owner = terms.lodger?.number ?? 0
    recorder.log.write(KIND.askAll, { id, a: mask, mode: terms.mode, owner, time: asked })
    const paths = [...chosen].map((file) => this.planned(file)[random.chance(0.2) ? 'link' : 'path'])
    let set
    try {
      set = await acquireAll(paths, { ...this.options(terms), timeout: random.below(200) })
    } catch (error) {
      recorder.refused(id, 255, error, true)
      return
    }
    const held = set.holds.map((hold) => {
      const file = files.findIndex(({ lockfile }) => lockfile === hold.lockfile)
      return recorder.granted(hold, file, terms, asked, recorder.nextId(), id)
    })
    for (const one of held)
      if (random.chance(0.5)) await recorder.guard(one, () => recorder.countSlowly(one, () => turn()))
    for (const one of held) recorder.countNow(one)
    if (random.chance(0.3)) {
      recorder.releaseTogether(held, () => set.release())
      return
    }
    for (const one of held.reverse()) recorder.release(one, () => one.hold.release())
  }

  /** A handle that is not kept, of a hold that is. */
  private keep(file: number): void {
    const { path } = this.planned(file)
    const maxHold = 1 + this.random.below(10)
    const terms: Terms = { mode: 'exclusive', lodger: null, maxHold, recorded: true }
    const id = this.recorder.nextId()
    const asked = now()
    const hold: Hold | null = tryAcquire(path, { keep: true, maxHold })
    if (hold === null) return
    this.recorder.log.write(KIND.ask, { id, file, time: asked })
    this.recorder.granted(hold, file, terms, asked, id, null)
  }

  private async leak(file: number): Promise<void> {
    const held = await this.ask(file, { ...this.terms(), maxHold: Infinity }, 50, true)
    if (held === null) return
    this.recorder.countNow(held)
    this.recorder.log.write(KIND.leak, { id: held.id, file })
    this.stage.lost(held.id)
  }

  /** The planted bug: a section that takes no lock. */
  private async pretend(file: number): Promise<void> {
    const planned = this.planned(file)
    if (planned.inode === null) return
    const holder: Holder = {
      held: true,
      fence: null,
      recoveredFrom: null,
      signal: new AbortController().signal,
      lockfile: planned.lockfile,
      release: () => {},
      assertHeld: () => {},
      extend: () => {},
      guard: async (fn) => fn(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    const id = this.recorder.nextId()
    const asked = now()
    this.recorder.log.write(KIND.ask, { id, file, time: asked })
    const terms: Terms = { mode: 'exclusive', lodger: null, maxHold: Infinity, recorded: false }
    const held = this.recorder.granted(holder, file, terms, asked, id, null)
    await this.recorder.guard(held, () => this.recorder.countSlowly(held, () => pause(2)))
    this.recorder.release(held, () => holder.release())
  }
}
