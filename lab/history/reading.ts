// From the logs in a folder to what happened. Each log is read alone, in the order of its writing; what one thread did to
// another is put together afterwards.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { CODES, GRANT, KIND, readEvents, type Code, type Event } from './events.js'
import {
  MILLISECOND,
  SECOND,
  SILENCE,
  type History,
  type HoldRecord,
  type Span,
  type Thread,
  type Wait,
} from './history.js'
import { DRIVER_LOG, ERRORS, logsOf, readPlan } from './plan.js'

/** Shorter waits are no matter for any check. */
const LONG_WAIT = 1 * SECOND

/** Holds that are over and may still be spoken of. */
const REMEMBERED = 64

/** What the driver saw of a process. */
interface Seen {
  killed: number
  exited: number
  code: number
}

/** A request that is not answered yet. */
interface Pending {
  readonly files: readonly number[]
  readonly asked: number
  readonly wait: Wait | null
}

export function readHistory(folder: string): History {
  const plan = readPlan(folder)
  const history: History = {
    plan,
    threads: [],
    holds: [],
    waits: [],
    several: [],
    obscure: plan.files.map(() => []),
    processes: [],
    refused: new Map(),
    end: 0,
    acquisitions: 0,
    children: 0,
    replacements: 0,
    unexpected: [],
  }
  const base = BigInt(plan.base)
  const seen = readDriver(history, base)
  const processes = new Map<number, ThreadReading[]>()
  for (const name of readdirSync(logsOf(folder))) {
    if (name === DRIVER_LOG) continue
    const reading = new ThreadReading(history, name)
    for (const event of readEvents(readFileSync(join(logsOf(folder), name)), base)) reading.read(event)
    history.threads.push(reading.thread)
    const { process } = reading.thread
    processes.set(process, [...(processes.get(process) ?? []), reading])
  }
  for (const [process, threads] of processes) joinThreads(history, process, threads, seen.get(process))
  if (existsSync(join(folder, ERRORS))) {
    history.unexpected = readFileSync(join(folder, ERRORS), 'utf8')
      .trimEnd()
      .split(/\n(?! )/)
  }
  return history
}

function readDriver(history: History, base: bigint): Map<number, Seen> {
  const seen = new Map<number, Seen>()
  const stopped = new Map<number, number>()
  const of = (process: number): Seen => {
    const known = seen.get(process) ?? { killed: Infinity, exited: Infinity, code: -3 }
    seen.set(process, known)
    return known
  }
  for (const event of readEvents(readFileSync(join(logsOf(history.plan.folder), DRIVER_LOG)), base)) {
    const { kind, id, time } = event
    history.end = Math.max(history.end, time)
    if (kind === KIND.kill) of(id).killed = Math.min(of(id).killed, time)
    else if (kind === KIND.exited) Object.assign(of(id), { exited: time, code: event.a })
    else if (kind === KIND.stop) stopped.set(id, time)
    else if (kind === KIND.replaced) history.replacements++
    else if (kind === KIND.continued) {
      // An abandoned wait of a process that is stopped keeps what it is granted.
      const span: Span = { from: stopped.get(id) ?? time, to: time + SILENCE }
      for (const spans of history.obscure) spans.push(span)
    }
  }
  return seen
}

class ThreadReading {
  readonly thread: Thread
  readonly holds: HoldRecord[] = []
  readonly waits: Wait[] = []
  killedItself = Infinity
  exits = Infinity
  readonly terminations = new Map<number, { before: number; after: number }>()
  private readonly history: History
  /** Not known to have ended, by id. */
  private readonly open = new Map<number, HoldRecord>()
  private readonly over = new Map<number, HoldRecord>()
  private readonly pending = new Map<number, Pending>()

  constructor(history: History, name: string) {
    this.history = history
    const [process = '', thread = ''] = name.replace('.log', '').split('-')
    this.thread = {
      name,
      process: Number(process),
      thread: Number(thread),
      pid: 0,
      tid: 0,
      first: Infinity,
      last: -Infinity,
      finished: false,
      death: Infinity,
      gone: Infinity,
      silences: [],
    }
  }

  read(event: Event): void {
    const { thread } = this
    const { kind, id, time } = event
    if (thread.last !== -Infinity && time - thread.last > SILENCE) this.silent(thread.last, time)
    thread.first = Math.min(thread.first, time)
    thread.last = Math.max(thread.last, time)
    const hold = this.open.get(id) ?? this.over.get(id)
    switch (kind) {
      case KIND.hello:
        thread.pid = event.a
        thread.tid = event.extra
        break
      case KIND.ask:
        this.ask(event, [event.file])
        break
      case KIND.askAll:
        this.ask(event, maskedFiles(event.a))
        break
      case KIND.grant:
        this.grant(event)
        break
      case KIND.refused:
        this.refused(event)
        break
      case KIND.ownerEnds:
        for (const one of this.open.values()) if (one.owner === event.owner) one.end ??= time
        break
      case KIND.ownerEnded:
        for (const one of this.open.values()) if (one.owner === event.owner) this.end(one, time)
        break
      case KIND.allEnd:
        for (const one of this.open.values()) one.end ??= time
        break
      case KIND.allEnded:
        for (const one of this.open.values()) if (one.end !== null) this.end(one, time)
        break
      case KIND.exit:
        this.exits = Math.min(this.exits, time)
        break
      case KIND.suicide:
        this.killedItself = Math.min(this.killedItself, time)
        break
      case KIND.finished:
        thread.finished = true
        break
      case KIND.terminate:
        this.terminations.set(event.extra, { before: time, after: Infinity })
        break
      case KIND.terminated: {
        const before = this.terminations.get(event.extra)?.before ?? Infinity
        this.terminations.set(event.extra, { before, after: time })
        break
      }
      case KIND.child:
        this.history.children++
        break
      default:
        if (hold !== undefined) this.about(hold, event)
    }
  }

  private about(hold: HoldRecord, { kind, time, time2, a, code, extra }: Event): void {
    switch (kind) {
      case KIND.inode:
        hold.key = `${hold.file}:${a}-${time2}`
        if (hold.heldAtStart) hold.checked = Math.max(hold.checked, time)
        break
      case KIND.recovered:
        hold.told = true
        hold.recovered = { pid: a, tid: extra }
        break
      case KIND.check:
        hold.checked = Math.max(hold.checked, time)
        break
      case KIND.lost:
      case KIND.end:
        hold.end ??= time
        break
      case KIND.ended:
        hold.outcome = CODES[code] ?? 'other'
        this.end(hold, time)
        break
      case KIND.signal:
        hold.end ??= time
        hold.signalled ??= time
        hold.outcome ??= CODES[code] ?? 'other'
        break
      case KIND.leak:
        hold.end ??= time
        hold.leaked = true
        break
      case KIND.collected:
        hold.outcome ??= 'collected'
        this.end(hold, time)
        break
      case KIND.guardIn:
        ;(hold.guards ??= []).push({ number: a, before: time2, from: time, to: null })
        break
      case KIND.guardOut: {
        const guard = hold.guards?.find(({ number }) => number === a)
        if (guard !== undefined) guard.to = time
        break
      }
      case KIND.count:
        ;(hold.counts ??= []).push(a)
        break
      case KIND.maybe:
        ;(hold.maybe ??= []).push(a)
        break
      case KIND.extend:
        hold.limitFrom = Math.min(hold.limitFrom, time + a * MILLISECOND)
        hold.limitTo = Math.max(hold.limitTo, time + a * MILLISECOND + SILENCE)
        break
      case KIND.extended:
        // `extend` was written before, and nothing came between: both happened in one step of this thread.
        hold.limitTo = time + a * MILLISECOND
        break
    }
  }

  private ask({ id, file, mode, time: asked }: Event, files: readonly number[]): void {
    const single = files.length === 1
    const wait: Wait | null = single
      ? { thread: this.thread, file, mode, asked, answered: Infinity, granted: false }
      : null
    this.pending.set(id, { files, asked, wait })
  }

  private grant({ id, file, mode, code, owner, a, b, time, time2, extra }: Event): void {
    const { thread, history } = this
    history.acquisitions++
    const asked = time2
    this.answered(extra, time, true)
    const limited = b >= 0
    const hold: HoldRecord = {
      thread,
      id,
      file,
      mode,
      owner,
      asked,
      start: time,
      heldAtStart: (code & GRANT.held) !== 0,
      recorded: (code & GRANT.recorded) !== 0,
      fence: a,
      limited,
      key: history.plan.files[file]?.inode === null ? null : `${file}:only`,
      end: null,
      ended: null,
      outcome: null,
      signalled: null,
      checked: -Infinity,
      limitFrom: limited ? asked + b * MILLISECOND : Infinity,
      limitTo: limited ? time + b * MILLISECOND : Infinity,
      nested: false,
      leaked: false,
      counts: null,
      maybe: null,
      guards: null,
      told: (code & GRANT.told) !== 0,
      recovered: null,
    }
    if (owner !== 0) {
      for (const other of this.open.values()) {
        if (other.owner === owner && other.file === file) hold.nested = other.nested = true
      }
    }
    this.open.set(id, hold)
    this.holds.push(hold)
    history.holds.push(hold)
  }

  private refused({ id, time, code }: Event): void {
    const why: Code = CODES[code] ?? 'other'
    const { refused } = this.history
    refused.set(why, (refused.get(why) ?? 0) + 1)
    this.answered(id, time, false)
  }

  private answered(id: number, time: number, granted: boolean): void {
    const pending = this.pending.get(id)
    if (pending === undefined) return
    const { wait, files, asked } = pending
    this.pending.delete(id)
    if (wait === null) {
      this.history.several.push({ files, from: asked, to: time })
      return
    }
    wait.answered = time
    wait.granted = granted
    if (time - wait.asked > LONG_WAIT) this.history.waits.push(wait)
  }

  private end(hold: HoldRecord, time: number): void {
    hold.ended ??= time
    if (!this.open.delete(hold.id)) return
    this.over.set(hold.id, hold)
    if (this.over.size <= REMEMBERED) return
    const [oldest] = this.over.keys()
    if (oldest !== undefined) this.over.delete(oldest)
  }

  /** What it waited for then it may have been granted without taking it. */
  private silent(from: number, to: number): void {
    this.thread.silences.push({ from, to })
    for (const { files, asked } of this.pending.values()) {
      for (const file of files) this.history.obscure[file]?.push({ from: Math.max(from, asked), to: to + SILENCE })
    }
  }

  /** It is known when it died and when it was gone: what it still waited for ends then. */
  settle(): void {
    const { thread, history } = this
    const until = Number.isFinite(thread.gone) ? thread.gone : history.end
    if (!thread.finished) this.silent(thread.last, until)
    for (const { wait, files, asked } of this.pending.values()) {
      if (wait === null) {
        history.several.push({ files, from: asked, to: until })
        continue
      }
      wait.answered = Math.min(thread.death, until)
      if (wait.answered - wait.asked > LONG_WAIT) history.waits.push(wait)
    }
  }
}

export function maskedFiles(mask: number): number[] {
  return Array.from({ length: 32 }, (_, file) => file).filter((file) => (mask & (1 << file)) !== 0)
}

/** How its threads ended: the main thread takes the others with it, and any of them may have killed all. */
function joinThreads(
  history: History,
  process: number,
  readings: readonly ThreadReading[],
  seen: Seen | undefined,
): void {
  const main = readings.find(({ thread }) => thread.thread === 0)
  const exited = seen?.exited ?? Infinity
  const killed = Math.min(seen?.killed ?? Infinity, ...readings.map(({ killedItself }) => killedItself))
  // A kill that came too late for its process was none.
  const wasKilled = killed !== Infinity && main?.thread.finished !== true
  const death = Math.min(wasKilled ? killed : Infinity, main?.exits ?? Infinity)
  for (const reading of readings) {
    const { thread } = reading
    const end = main?.terminations.get(thread.thread)
    thread.gone = Math.min(exited, end?.after ?? Infinity)
    if (!thread.finished) thread.death = Math.min(death, end?.before ?? Infinity, reading.exits)
    reading.settle()
  }
  const exitedItself = main !== undefined && main.exits !== Infinity
  const finished = main?.thread.finished === true
  history.processes.push({ process, code: seen?.code ?? -3, killed: wasKilled, exited: exitedItself, finished })
}
