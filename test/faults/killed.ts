// What every test of a killed writer does: kill a process at each system call of one operation, one after the other, and
// look each time at what the next one finds.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { expect } from 'vitest'

import { inspect } from '../../src/index.js'
import { openTranscript } from '../../src/session.js'
import { Worker, type Fault } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'

/** The long form: `npm run test:faults`. */
export const all = process.env.HOLDFAST_FAULTS_ALL !== undefined

export interface Operation {
  /** Before faults begin. */
  readonly prepare?: (worker: Worker, file: string) => Promise<void>
  /** What is killed. Acknowledged where it resolves. */
  readonly run: (worker: Worker, file: string) => Promise<unknown>
  /** What must be true of the file whether it was acknowledged or not. */
  readonly check: (file: string, acknowledged: boolean) => Promise<void>
}

/** Kills at once, so much of what they do is waiting. */
const LANES = 3

/** Kills at the first call, the second, … until one was too far. Answers with the calls that were killed. */
export async function killAtEachCall(does: 'kill-before' | 'kill-after', operation: Operation): Promise<string[]> {
  const killed: string[] = []
  let next = 1
  let over = false
  const lane = async (): Promise<void> => {
    while (!over) {
      const at = next++
      let call: string | null = null
      try {
        call = await killOnce({ does, at }, operation)
      } finally {
        if (call === null) over = true
        else killed[at - 1] = call
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
  for (const result of lanes) if (result.status === 'rejected') throw result.reason
  return killed
}

/** Answers with the call at which it was killed, or null where there was no such call. */
export async function killOnce(fault: Fault, { prepare, run, check }: Operation): Promise<string | null> {
  const folder = scratch()
  const file = join(folder, 'file')
  const worker = await Worker.start(folder)
  await prepare?.(worker, file)
  worker.faults.arm(fault)
  const acknowledged = await run(worker, file).then(
    () => true,
    (error: unknown) => {
      if (worker.faults.fired() === 0) throw error
      return false
    },
  )
  const fired = worker.faults.fired() > 0
  if (!fired) await worker.end()
  const { signal } = await worker.ended
  const last = worker.faults.calls[(fault.at ?? 1) - 1] ?? 'nothing'
  try {
    expect(signal).toBe(fired ? 'SIGKILL' : null)
    expect(fired || acknowledged).toBe(true)
    await check(file, acknowledged)
  } catch (error) {
    const where = `${fault.does} call ${fault.at ?? 1}: ${fault.call === undefined ? last : JSON.stringify(fault)}`
    throw new Error(fired ? where : 'not killed', { cause: error })
  }
  return fired ? last : null
}

/**
 * Opens it as the next process would, with no patience for a lock that somebody left. Answers with its values, if these
 * are all that is in it; and they are still, and can be added to.
 */
export async function valuesAfter(file: string): Promise<unknown[]> {
  expect(inspect(file).state).not.toBe('held')
  const transcript = await openTranscript(file, { timeout: 0 })
  const values = await valuesOf(file)
  await transcript.append('and on')
  await transcript.close()
  expect(await valuesOf(file)).toEqual([...values, 'and on'])
  expect(strangers(file)).toEqual([])
  return values
}

/** Throws unless the file is made of values, one on a line, without anything else. */
export function valuesOf(file: string): Promise<unknown[]> {
  const text = contentOf(file)
  const lines = text.split('\n')
  expect(lines.pop()).toBe('')
  return Promise.resolve(lines.map((line) => JSON.parse(line) as unknown))
}

/** Empty where there is none. */
export function contentOf(file: string): string {
  const here = readdirSync(join(file, '..'))
  return here.includes(basename(file)) ? readFileSync(file, 'utf8') : ''
}

/** What was saved of torn lines. */
export function asides(file: string): string[] {
  const folder = join(file, '..')
  const names = readdirSync(folder).filter((name) => name.startsWith(`${basename(file)}.torn-`))
  return names.map((name) => readFileSync(join(folder, name), 'utf8'))
}

/** Files that nobody would expect beside it. */
function strangers(file: string): string[] {
  const name = basename(file)
  const known = new RegExp(`^(${name}|${name}\\.hold|${name}\\.torn-\\w+(-\\d+)?|\\.${name}\\.[0-9a-f]{32}\\.\\w+)$`)
  return readdirSync(join(file, '..')).filter((other) => !known.test(other))
}
