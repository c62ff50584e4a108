// What is done to the processes from outside: they are killed, preferably in a section; stopped and let go on; and lock files
// are deleted under them. Written down before it is done, or after it was, on the side where it is certain.
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { KIND, now, RECORD, type EventLog } from './events.js'
import { logName, logsOf, type Plan } from './plan.js'
import type { Random } from './random.js'

/** A process, as the nemesis sees it. */
export interface Victim {
  readonly number: number
  readonly pid: number
  /** It was seen to be gone. */
  readonly gone: boolean
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
}

export class Nemesis {
  protected readonly log: EventLog
  protected readonly random: Random
  private readonly plan: Plan
  private readonly victims: () => Victim[]
  private readonly over = new AbortController()

  constructor(plan: Plan, log: EventLog, random: Random, victims: () => Victim[]) {
    this.plan = plan
    this.log = log
    this.random = random
    this.victims = victims
  }

  async run(): Promise<void> {
    const { kills, stops, replacements } = this.plan.pace
    await Promise.all([
      this.again(kills, () => this.killInSection()),
      this.again(stops, () => this.stop()),
      this.again(replacements, () => this.replace()),
    ])
  }

  end(): void {
    this.over.abort()
  }

  /** So often in a second, at times that do not keep step with anything. */
  protected async again(frequency: number, strike: () => Promise<void> | void): Promise<void> {
    if (frequency === 0) return
    for (;;) {
      const wait = (-Math.log(1 - this.random.next()) * 1000) / frequency
      await pause(wait, undefined, { signal: this.over.signal }).catch(() => {})
      if (this.over.signal.aborted) return
      await strike()
    }
  }

  protected victim(): Victim | null {
    const victims = this.victims()
    return victims[this.random.below(victims.length)] ?? null
  }

  private async killInSection(): Promise<void> {
    const victim = this.victim()
    if (victim === null) return
    for (let looks = 0; looks < 50 && !this.isInSection(victim); looks++) await pause(1)
    if (victim.gone) return
    this.log.write(KIND.kill, { id: victim.number, a: victim.pid, time: now() })
    victim.kill('SIGKILL')
  }

  /** By the last thing its main thread wrote. It may be out of it in the next moment: whoever judges looks again. */
  private isInSection({ number }: Victim): boolean {
    const record = Buffer.alloc(RECORD)
    try {
      const file = openSync(join(logsOf(this.plan.folder), logName(number, 0)), 'r')
      const { size } = fstatSync(file)
      readSync(file, record, 0, RECORD, Math.max(0, size - RECORD))
      closeSync(file)
    } catch {
      return false // not begun
    }
    const kind = record[0] ?? 0
    return kind === KIND.grant || kind === KIND.guardIn || kind === KIND.count || kind === KIND.check
  }

  private async stop(): Promise<void> {
    const victim = this.victim()
    if (victim === null || victim.gone) return
    this.log.write(KIND.stop, { id: victim.number, a: victim.pid })
    victim.kill('SIGSTOP')
    await pause(5 + this.random.below(200))
    victim.kill('SIGCONT')
    this.log.write(KIND.continued, { id: victim.number, a: victim.pid })
  }

  private replace(): void {
    const replaced = this.plan.files.map(({ inode }, file) => (inode === null ? file : -1)).filter((file) => file >= 0)
    const file = replaced[this.random.below(replaced.length)]
    const planned = file === undefined ? undefined : this.plan.files[file]
    if (file === undefined || planned === undefined) return
    const time = now()
    rmSync(planned.lockfile, { force: true })
    this.log.write(KIND.replaced, { file, time, time2: now() })
  }
}
