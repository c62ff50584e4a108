// One simulated system of files, locks and threads, the processes on it, and who watches them.
import type { Locate } from '../../src/options.js'
import { Owner } from '../../src/owner.js'
import { FakeSystem, type FakeKernel } from '../../test/helpers/fake-kernel.js'
import { ReferenceModel } from '../../test/helpers/reference-model.js'
import { Judge, WatchedCoordinator } from './judge.js'
import type { Schedule } from './steps.js'
import { EventLoop, Time } from './time.js'

/** The second owner of each process bounds its holds. */
const OWNER_MAX_HOLD = 60

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

export interface NamedOwner {
  readonly owner: Owner
  readonly label: string
  readonly controller: AbortController
}

export class Process {
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

export class World {
  readonly system = new FakeSystem()
  readonly time = new Time()
  readonly model: ReferenceModel
  readonly judge: Judge
  readonly processes: Process[] = []
  everShortOfThreads = false
  private readonly owners: number
  private readonly trace: (line: string) => void
  private readonly hash = new Hash()
  private last = 0

  constructor({ processes, owners }: Schedule, trace: (line: string) => void) {
    this.owners = owners
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
    for (let index = 0; index < processes; index++) this.newProcess(index)
  }

  /** Of everything that was logged. */
  get hashed(): string {
    return this.hash.text
  }

  log(line: string): void {
    this.hash.add(line)
    this.trace(line)
  }

  process(index: number): Process {
    const process = this.processes[index]
    if (process === undefined) throw new Error(`no process ${index}`)
    return process
  }

  newId(): string {
    return String(++this.last)
  }

  newProcess(index: number): void {
    const process = new Process(`process-${index}.${++this.last}`, this.system, this.time, this.judge)
    for (let owner = 0; owner < this.owners; owner++) this.newOwner(process, owner)
    this.processes[index] = process
  }

  newOwner(process: Process, index: number): void {
    const controller = new AbortController()
    const label = `owner-${++this.last}`
    const maxHold = index === 1 ? OWNER_MAX_HOLD : undefined
    process.owners[index] = { label, controller, owner: new Owner(label, { signal: controller.signal, maxHold }) }
  }

  /** In a callback, where what is thrown would be lost. */
  safely(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.model.violate(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }

  /** The watchdog looks. */
  watch(): void {
    this.system.watch()
    this.model.sweep()
  }

  passed(): void {
    if (!this.system.watchdogSleeps) this.watch()
  }

  wakeAll(): boolean {
    let woken = false
    while (this.system.wake(0)) woken = true
    return woken
  }
}
