// A process that takes locks, as the driver sees it.
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { Victim } from '../history/nemesis.js'
import type { Order, State } from './orders.js'

const AGENT = fileURLToPath(new URL('./agent.js', import.meta.url))
const NOTHING: State = { holds: [], wanted: [] }

export class Process implements Victim {
  readonly number: number
  readonly pid: number
  gone = false
  /** Its exit code, when it has ended. */
  readonly ended: Promise<number>
  /** It begins to take locks, or has ended before. */
  readonly begun: Promise<unknown>
  private readonly child: ChildProcess

  /** `launcher` decides on which host it lives. */
  constructor(folder: string, number: number, launcher: { execPath?: string; execArgv?: string[] }) {
    const child = fork(AGENT, [folder, String(number)], { execArgv: [], ...launcher })
    this.number = number
    this.pid = child.pid ?? 0
    this.child = child
    this.ended = new Promise((resolve) => {
      const end = (code: number): void => {
        this.gone = true
        resolve(code)
      }
      child.once('exit', (code) => end(code ?? -1))
      child.on('error', () => {
        if (child.pid === undefined) end(-2) // else a message to one that has just died
      })
    })
    this.begun = this.next()
  }

  tell(order: Order): void {
    if (this.child.connected) this.child.send(order, () => {})
  }

  /** What it says that it holds and waits for: nothing, if it was killed just before. */
  ask(): Promise<State> {
    const state = this.next()
    this.tell('tell')
    return state
  }

  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(signal)
  }

  private next(): Promise<State> {
    const state = new Promise<State>((resolve) => this.child.once('message', resolve))
    return Promise.race([state, this.ended.then(() => NOTHING)])
  }
}
