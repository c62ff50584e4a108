// What every test of a failing call does: fail each call of one operation, one after the other, and hold what was said of
// it against the file. All in one process, for nothing of a failure may stay in it.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { expect } from 'vitest'

import { inspect } from '../../src/index.js'
import { RemoteError, Worker, type Fault } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { contentOf } from './killed.js'

export interface Attempt {
  readonly prepare: (worker: Worker, file: string) => Promise<unknown>
  readonly run: (worker: Worker, file: string) => Promise<unknown>
  /** The file's content with it. */
  readonly done: string
  /** It must look whether it was done, so that it cannot say where looking fails too. */
  readonly looksAgain?: boolean
  /** That it works again once nothing fails, and what the content is then. */
  readonly again: (worker: Worker, file: string, content: string) => Promise<string>
}

export interface Outcome {
  readonly call: string
  readonly error: RemoteError | null
}

/** Fails call 1, 2, …, until there are no more; `from`: and all that come after it. */
export async function failEachCall(
  error: NonNullable<Fault['error']>,
  from: boolean,
  attempt: Attempt,
): Promise<Outcome[]> {
  const folder = scratch()
  const worker = await Worker.start(folder)
  const outcomes: Outcome[] = []
  for (let at = 1; ; at++) {
    const outcome = await failOnce(
      worker,
      join(folder, String(at)),
      { does: 'fail', error, at: from ? -at : at },
      attempt,
    )
    if (outcome === null) return outcomes
    outcomes.push(outcome)
  }
}

async function failOnce(worker: Worker, folder: string, fault: Fault, attempt: Attempt): Promise<Outcome | null> {
  mkdirSync(folder)
  const file = join(folder, 'file')
  await attempt.prepare(worker, file)
  const before = contentOf(file)
  worker.faults.arm(fault)
  const error = await attempt.run(worker, file).then(
    () => null,
    (reason: unknown) => {
      if (reason instanceof RemoteError) return reason
      throw reason
    },
  )
  worker.faults.disarm()
  const fired = worker.faults.fired() > 0
  const call = (worker.faults.calls[Math.abs(fault.at ?? 1) - 1] ?? 'nothing').replace(
    /^(\w+) \S+$/,
    (all, name: string) =>
      all.endsWith('/file') || all.endsWith('.hold') ? `${name} ${all.slice(all.lastIndexOf('/') + 1)}` : name,
  )
  try {
    const content = contentOf(file)
    if (error === null) {
      expect(content).toBe(attempt.done)
    } else {
      // Without its time of birth a file is another one.
      if (!(error.code === 'ERR_SESSION_CONFLICT' && call.startsWith('statx'))) {
        expect(error.code).toMatch(/^ERR_(SESSION|LOCK)_SYSTEM$/)
        expect(error.causeCode).toBe(fault.error)
      }
      expect([before, attempt.done]).toContain(content)
      const unsure = attempt.looksAgain === true && (fault.at ?? 1) < 0
      if (content !== before || !unsure) {
        expect({ undone: error.undone ?? true }).toEqual({ undone: content === before })
      }
    }
    await until('nothing of it is left open', async () => (await openFiles(worker, folder)).length === 0)
    expect(inspect(file).state).not.toBe('held')
    expect(contentOf(file)).toBe(content)
    const after = await attempt.again(worker, file, content)
    expect(contentOf(file)).toBe(after)
  } catch (cause) {
    throw new Error(
      `${fault.error ?? ''} of call ${fault.at ?? 1}, ${call}; ${error === null ? 'done' : error.message}`,
      { cause },
    )
  }
  return fired ? { call, error } : null
}

function openFiles(worker: Worker, folder: string): Promise<string[]> {
  return worker.ask('openFiles', folder)
}
