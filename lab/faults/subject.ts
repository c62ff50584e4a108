// The process that calls fail in. It is told an operation and a kind of failing, and fails call 1, 2, …, until there are no
// more; after each, nothing may be left of it, and everything must work again.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { acquire, inspect, type Hold } from 'holdfast'

import { expected } from './expected.js'
import { LISTING } from './plan.js'
import { Faults, type ErrorName, type Family, type Fault } from './faults.js'
import { FIRST, OPERATIONS, type Operation } from './operations.js'
import { Peer } from './peer.js'
import { Stage, type Ending } from './stage.js'

export interface Task {
  readonly operation: string
  readonly distant: boolean
  readonly family: Family
  readonly error: ErrorName
  /** 0: all from the first one on. */
  readonly times: number
  readonly most: number
  /** This one call alone, in a process that has done nothing yet; 0: each; LISTING: none, and each call is a case. */
  readonly only: number
}

export interface Case {
  readonly at: number
  readonly call: string
  readonly came: string
  /** Null: all was well. */
  readonly problem: string | null
  /** Milliseconds after which another process had the lock. */
  readonly freed: number
}

/** How long nothing may be left open after a case: threads and orphans take a moment. */
const SETTLED = 10_000

/** Far more calls than any operation makes. */
const MOST = 400

const here = (): { folder: string; control: string } => {
  const { HOLDFAST_LAB_FOLDER: folder, HOLDFAST_LAB_FAULTS: control } = process.env
  if (folder === undefined || control === undefined) throw new Error('this runs as a process of run.js')
  return { folder, control }
}

class Subject {
  private readonly peer: Peer
  private readonly faults: Faults
  private readonly folder: string
  private cases = 0
  private open = 0
  private threads = 0

  constructor(peer: Peer, faults: Faults, folder: string) {
    this.peer = peer
    this.faults = faults
    this.folder = folder
  }

  /** The cases of a task, one for each call. */
  async sweep({ operation: name, distant, family, error, times, most, only }: Task): Promise<Case[]> {
    const operation = [FIRST, ...OPERATIONS].find((one) => one.name === name)
    if (operation === undefined) throw new Error(`there is no operation ${name}`)
    if (only === LISTING) return await this.list(operation, distant)
    if (only > 0) {
      this.open = descriptors()
      this.threads = threads() + 1 // the watchdog
      const result = await this.attempt(operation, distant, { family, at: only, times, error, most }, true)
      return result === null ? [] : [result]
    }
    await this.warmUp(operation, distant, { family, at: 0, times, error, most })
    const cases: Case[] = []
    for (let at = 1; at <= MOST; at++) {
      const result = await this.attempt(operation, distant, { family, at, times, error, most }, true)
      if (result === null) return cases
      cases.push(result)
    }
    throw new Error(`${name}: more than ${MOST} calls`)
  }

  private async list(operation: Operation, distant: boolean): Promise<Case[]> {
    const fault: Fault = { family: 'files', at: 0, times: 0, error: 'EIO' }
    await this.attempt(operation, distant, fault, false)
    return this.faults.calls.map((call, index) => ({ at: index + 1, call, came: 'done', problem: null, freed: 0 }))
  }

  /** What a process has that has done the operation once: from then on it must stay so. */
  private async warmUp(operation: Operation, distant: boolean, fault: Fault): Promise<void> {
    const limited = await acquire(join(this.folder, 'local', 'limited'), { maxHold: 60_000 })
    limited.release() // from now on there is a watchdog, which never ends
    await this.attempt(operation, distant, fault, false)
    let before = -1
    // Threads of what was before linger for 2 ms.
    for (let same = 0; same < 8;) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      same = threads() === before ? same + 1 : 0
      before = threads()
    }
    this.open = descriptors()
    this.threads = threads()
  }

  /** Null: there was no such call. */
  private async attempt(operation: Operation, distant: boolean, fault: Fault, checks: boolean): Promise<Case | null> {
    const folder = join(this.folder, distant ? 'distant' : 'local', String(++this.cases))
    const hopeless = fault.error === 'EACCES' && fault.times === 0
    const stage = new Stage(folder, this.peer, this.faults, fault, hopeless)
    const ending = await operation.run(stage)
    this.faults.disarm()
    const fired = this.faults.fired > 0
    const calls = this.faults.calls
    const problems: string[] = []
    if (fired) {
      const right = expected(operation.manner, fault, calls)
      if (!right.includes(ending.came))
        problems.push(`it came to "${ending.came}" and not to "${right.join('" or "')}"`)
    }
    problems.push(...(await this.locked(stage, ending)))
    await this.peer.release()
    const freed = Math.max(await this.peer.gets(stage.file), await this.peer.gets(stage.other))
    if (freed < 0) problems.push('the lock did not go free')
    if (checks) problems.push(...(await this.left()))
    problems.push(...(await worksAgain(stage)))
    if (checks) problems.push(...(await this.left()))
    if (!fired && problems.length === 0) return null
    const problem = problems.length === 0 ? null : [...problems, `calls: ${calls.slice(0, 40).join(', ')}`].join('; ')
    return { at: fault.at, call: calls[fault.at - 1]?.split(' ')[0] ?? 'none', came: ending.came, problem, freed }
  }

  /** What it has must really exclude others, and say so in a whole record; it is released. */
  private async locked(stage: Stage, { holds }: Ending): Promise<string[]> {
    const problems: string[] = []
    for (const hold of holds) {
      if (!hold.held) problems.push('a hold that was given is not held')
      if (hold.fence !== null && !(Number(inspect(hold.path).record?.fence) >= hold.fence)) {
        problems.push(`the record of ${hold.path} is not that of the hold`)
      }
      if (await this.peer.tries(hold.path === stage.other ? stage.other : stage.file)) {
        problems.push(`it says that it holds ${hold.path}, and another process could have the lock`)
      }
    }
    for (const hold of holds) hold.release()
    return problems
  }

  /** Descriptors and threads that are left over. */
  private async left(): Promise<string[]> {
    const end = performance.now() + SETTLED
    while (descriptors() > this.open || threads() > this.threads) {
      if (performance.now() > end) {
        return [`left: ${descriptors() - this.open} descriptors, ${threads() - this.threads} threads`]
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return []
  }
}

async function worksAgain(stage: Stage): Promise<string[]> {
  try {
    const hold: Hold = await acquire(stage.file, { timeout: SETTLED })
    hold.assertHeld()
    hold.release()
    return []
  } catch (error) {
    return [`an acquire after it failed: ${String(error)}`]
  }
}

const descriptors = (): number => readdirSync('/proc/self/fd').length
const threads = (): number => readdirSync('/proc/self/task').length

const { folder, control } = here()
const subject = new Subject(await Peer.start(), new Faults(control), folder)
process.on('message', (task: Task) => {
  void subject.sweep(task).then(
    (cases) => process.send?.({ cases }),
    (error: unknown) =>
      process.send?.({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
