// The ends of probe.c in here: run to its end, or kept running with what it holds.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { atEnd } from '../process-case.js'
import { Skip } from '../report.js'

const PROGRAM = fileURLToPath(new URL('./probe.exe', import.meta.url))

/** What the probe prints. `stdio` is for what it is to inherit; standard output is read here. */
export function probe(args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']): string {
  compiled()
  const { status, stdout, stderr } = spawnSync(PROGRAM, args, { stdio, encoding: 'latin1' })
  assert.equal(status, 0, stderr)
  return stdout
}

/** A probe that keeps what it has until it is told to end. */
export class KeptProbe {
  private readonly child: ChildProcess
  /** Its first line. */
  readonly said: string

  private constructor(child: ChildProcess, said: string) {
    this.child = child
    this.said = said
  }

  static async start(...args: string[]): Promise<KeptProbe> {
    compiled()
    const child = spawn(PROGRAM, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    const ended = once(child, 'exit').then(() => ['the probe ended'])
    const [said] = (await Promise.race([once(child.stdout, 'data'), ended])) as [unknown]
    const kept = new KeptProbe(child, String(said).trim())
    atEnd(() => kept.end())
    return kept
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.stdin?.end()
    await ended
  }
}

function compiled(): void {
  if (!existsSync(PROGRAM)) throw new Skip('probe.c is not compiled here')
}
