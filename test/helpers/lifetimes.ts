// What the commands of test/fixtures/lifetimes.mjs answer, and the files by which a blocked process is spoken to.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Agent, RemoteHold, RemoteOptions } from './agent.js'
import { scratch } from './scratch.js'
import { until } from './until.js'

/** What is left of an error there. */
export interface Told {
  readonly name: string
  readonly code: string | undefined
  readonly reason: string | undefined
  readonly message: string
}

export interface Outcome {
  readonly value?: unknown
  readonly error?: Told
}

/** A hold whose other side looked at a file in the moment of its grant. */
export interface Look extends RemoteHold {
  readonly marked: boolean
  /** In nanoseconds, by the clock of the machine. */
  readonly at: bigint
}

/** Asks for a lock, and looks whether the file `mark` is there when it is granted. */
export function acquireAndLook(agent: Agent, path: string, mark: string, options?: RemoteOptions): Promise<Look> {
  return agent.ask('acquireAndLook', path, { timeout: Infinity, ...options }, mark)
}

/** The files by which a guard in another process says where it is, and is told to end. */
export class Marks {
  readonly folder = scratch()
  readonly out = join(this.folder, 'out')
  readonly go = join(this.folder, 'go')

  inside(): Promise<void> {
    return until('the other process is inside', () => existsSync(join(this.folder, 'in')))
  }

  goOn(): void {
    writeFileSync(this.go, '')
  }
}

/** Resolves once the clock of the machine is past it. */
export async function past(nanoseconds: bigint): Promise<void> {
  await until('the time has come', () => process.hrtime.bigint() > nanoseconds)
}

export function milliseconds(count: number): bigint {
  return BigInt(count) * 1_000_000n
}
