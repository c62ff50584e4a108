// One session. Its queue of messages is its transcript: what any process has written there, and nobody has answered, is
// answered in order. So nothing is lost with a process, and nothing is dropped: there is no other queue.
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

import { abandon, work } from './agent-run.js'
import { shorten } from './compaction.js'
import { Conversation, type Task } from './conversation.js'
import type { Files, Turn, TurnName } from './files.js'
import type { Lane, Lanes } from './lanes.js'
import { reportOf, stamp, type Line } from './lines.js'
import { textOf, type Log } from './log.js'
import { answer, refuse, type Means, type Place } from './run.js'

export interface Surroundings extends Means {
  readonly files: Files
  readonly main: Lanes
  readonly agents: Lanes
  readonly log: Log
  /** A transcript of fewer lines is not worth a compaction. */
  readonly longAt: number
}

interface Known {
  /** Its digest; null for one that a compaction has taken out. */
  readonly text: string | null
  /** Settled when it stands in the file. */
  readonly written: Promise<void>
}

/** Somebody sent another message with the same key. */
export class KeyTakenError extends Error {
  override readonly name = 'KeyTakenError'

  constructor(key: string) {
    super(`There is another message with the id ${JSON.stringify(key)}`)
  }
}

type Run = (turn: Turn, lane: Lane) => Promise<void>
type GiveUp = (reason: unknown, turn: Turn, lane: Lane) => Promise<void>

/** Runs that fail are begun again, so often; then the failure is the answer. */
const ATTEMPTS = 3
/** Milliseconds before a run is begun again; longer from time to time. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2_000

const WRITTEN = Promise.resolve()

export class Session {
  readonly place: Place
  private readonly around: Surroundings
  private readonly closing = new AbortController()
  /** Messages of this gateway's clients and of the file, by their keys. */
  private readonly messages = new Map<string, Known>()
  private conversation = new Conversation()
  private readonly assigned = new Set<string>()
  private readonly ended: Promise<unknown>
  private readonly delegated = new Set<Promise<void>>()
  private compacting = false
  /** So many answers the store knows of. */
  private counted = 0
  private counting: Promise<void> | null = null
  private looking = false
  private tell: () => void = () => {}

  private constructor(place: Place, around: Surroundings, lines: readonly Line[]) {
    this.place = place
    this.around = around
    for (const key of Conversation.of(lines).messages) this.messages.set(key, { text: null, written: WRITTEN })
    for (const line of lines) this.know(line)
    this.ended = Promise.all([this.follow(), this.answerAll()])
  }

  static async open(place: Place, around: Surroundings): Promise<Session> {
    const from = place.files.cutOff()
    if (from !== null) around.log('run was cut off', { session: place.session, from })
    return new Session(place, around, await place.files.read())
  }

  get state() {
    const { answered, waiting, oldest, tasks } = this.conversation
    const agents = new Set(Array.from(tasks, ({ agent }) => agent))
    return { answered, unanswered: waiting, oldest, agents }
  }

  /**
   * Resolves when the message is on the device. One that is sent again, for nobody acknowledged it, is written once; another
   * text with a key that is there is refused.
   */
  accept(key: string, text: string): Promise<void> {
    const known = this.messages.get(key)
    if (known === undefined) return this.take(key, text)
    return known.text === null || known.text === digestOf(text) ? known.written : Promise.reject(new KeyTakenError(key))
  }

  /** In the background, beside everything else. */
  async compact(): Promise<void> {
    if (this.compacting || this.conversation.lines < this.around.longAt) return
    this.compacting = true
    const { session, files } = this.place
    try {
      const { provider } = this.around
      await files.compact((lines) =>
        shorten(lines, async (exchanges) => {
          const prompt = { session, text: `summary of ${exchanges} exchanges`, lines: lines.length }
          return (await provider.reply(prompt, this.closing.signal)).text
        }),
      )
    } finally {
      this.compacting = false
    }
  }

  /** Begins nothing more, and waits for what goes on here: whoever closes it ends the lanes next. */
  async close(): Promise<void> {
    this.closing.abort()
    this.tell()
    await this.ended
    await Promise.all(this.delegated)
    await this.counting
    await this.place.files.close()
  }

  /** A transcript that cannot be read now is read later: nobody else would notice. */
  private async follow(): Promise<void> {
    const { session, files } = this.place
    while (!this.isClosing()) {
      try {
        this.read(null)
        for await (const line of files.follow(this.closing.signal)) this.read(line)
      } catch (error) {
        if (this.isClosing()) return
        this.around.log('not followed', { session, error: textOf(error) })
        await this.pause(LONGEST_PAUSE)
      }
    }
  }

  private take(key: string, text: string): Promise<void> {
    const written = this.place.files.append({ ...stamp('http'), type: 'message', key, text })
    this.messages.set(key, { text: digestOf(text), written })
    written.catch(() => this.messages.delete(key))
    return written
  }

  private read(line: Line | null): void {
    if (line === null) this.conversation = new Conversation()
    else this.conversation.add(line)
    if (line !== null) this.know(line)
    this.look()
  }

  private know(line: Line): void {
    if (line.type !== 'message' || (this.messages.get(line.key)?.text ?? null) !== null) return
    this.messages.set(line.key, { text: digestOf(line.text), written: WRITTEN })
  }

  private async answerAll(): Promise<void> {
    while (!this.isClosing()) {
      const message = this.conversation.next
      if (message === undefined) {
        await new Promise<void>((resolve) => (this.tell = resolve))
        continue
      }
      const run: Run = (turn, lane) => answer(message, turn, this.place, this.around, lane)
      const giveUp: GiveUp = (reason, turn, lane) => refuse(message, turn, this.place, reason, lane)
      if (!(await this.persist(this.around.main, 'main', message.key, run, giveUp))) return
      this.conversation.answer(message.key)
      this.count()
    }
  }

  /** Once for all lines that are read together: nothing is begun for a message whose answer is among them. */
  private look(): void {
    if (this.looking) return
    this.looking = true
    setImmediate(() => {
      this.looking = false
      this.assign()
      this.count()
      this.tell()
    })
  }

  private assign(): void {
    for (const task of this.conversation.tasks) {
      const name = reportOf(task.to, task.agent)
      if (this.assigned.has(name)) continue
      this.assigned.add(name)
      const done: Promise<void> = this.delegate(task).finally(() => this.delegated.delete(done))
      this.delegated.add(done)
    }
  }

  private async delegate(task: Task): Promise<void> {
    const { agents, files, provider } = this.around
    const run: Run = (turn, lane) => work(task, turn, this.place, files, provider, lane)
    const giveUp: GiveUp = (reason, turn, lane) => abandon(task, turn, this.place, reason, lane)
    await this.persist(agents, `agent-${task.agent}`, reportOf(task.to, task.agent), run, giveUp)
  }

  /**
   * Runs it in a lane until it has succeeded, or the words for its failure are written. False: the gateway ended before. A
   * lane that did not come to its turn, for another process has it, is no failure of the run.
   */
  private async persist(lanes: Lanes, name: TurnName, what: string, run: Run, giveUp: GiveUp): Promise<boolean> {
    const { session, files } = this.place
    let failures = 0
    let reason: unknown
    for (let tries = 0; !this.isClosing(); tries++) {
      const attempt = { begun: false }
      try {
        await lanes.run(session, async (lane) => {
          const turn = await files.turn(name, lane)
          attempt.begun = true
          await (failures < ATTEMPTS ? run(turn, lane) : giveUp(reason, turn, lane))
        })
        return true
      } catch (error) {
        if (this.isClosing()) return false
        this.around.log(attempt.begun ? 'run failed' : 'no turn', {
          session,
          what,
          attempt: failures + 1,
          error: textOf(error),
        })
        if (attempt.begun) {
          reason = error
          failures++
        }
      }
      await this.pause(Math.min(FIRST_PAUSE * 2 ** tries, LONGEST_PAUSE))
    }
    return false
  }

  /** Ends early when the session is closed. */
  private async pause(milliseconds: number): Promise<void> {
    await pause(milliseconds, undefined, { signal: this.closing.signal }).catch(() => {})
  }

  private isClosing(): boolean {
    return this.closing.signal.aborted
  }

  /**
   * For people who look at the store. The transcript is what counts, so no answer waits for it; and one update is enough for
   * all answers that come while another one is under way.
   */
  private count(): void {
    if (this.counting === null && this.conversation.answered > this.counted) this.counting = this.countAll()
  }

  private async countAll(): Promise<void> {
    const { session } = this.place
    while (this.conversation.answered > this.counted && !this.isClosing()) {
      const { answered } = this.conversation
      try {
        await this.around.files.update(({ sessions }) => {
          sessions[session] = { ...sessions[session], answered }
        }, this.closing.signal)
        this.counted = answered
      } catch (error) {
        if (!this.isClosing()) this.around.log('store not updated', { session, error: textOf(error) })
        await this.pause(LONGEST_PAUSE)
      }
    }
    this.counting = null
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
