// A hold whose handle nobody can reach any more ends, with an event, and nothing of it stays.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { missing, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/lost.mjs', import.meta.url))

interface Ran<T> {
  readonly answer: T
  readonly folder: string
  /** All that it printed. */
  readonly printed: string
}

/** Runs the fixture to its end. */
async function lose<T>(manner: string, env: NodeJS.ProcessEnv = {}): Promise<Ran<T>> {
  const folder = scratch()
  const child = fork(PROGRAM, [manner, folder], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, ...env },
    serialization: 'advanced',
    silent: true,
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('it has no output')
  const answer = new Promise<T>((resolve, reject) => {
    child.once('message', (message) => resolve(message as T))
    child.once('exit', (code, signal) => reject(new Error(`it ended without an answer (${code ?? signal})`)))
  })
  const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'exit')])
  const printed = out + err
  return {
    answer: await answer.catch((error: unknown) => Promise.reject(new Error(printed, { cause: error }))),
    folder,
    printed,
  }
}

interface Counts {
  readonly threads: number
  readonly descriptors: number
}

test.skipIf(missing(procfs))(
  '100,000 lost holds: nothing is held at the end, and memory, descriptors and threads do not grow',
  { timeout: 120_000 },
  async () => {
    const { answer, printed } = await lose<{
      lost: number
      found: number
      held: number
      rss: [number, number]
      before: Counts
      after: Counts
    }>('many')
    expect(answer.lost).toBe(100_000)
    // Some were lost with a second, re-entrant handle.
    expect(answer.found).toBeGreaterThanOrEqual(answer.lost)
    expect(answer.held).toBe(0)
    expect(answer.after).toEqual(answer.before)
    expect(answer.rss[1]).toBeLessThanOrEqual(1.1 * answer.rss[0])
    expect(printed).toBe('')
  },
)

test('the event of a leak tells the file, the label, the owner and where it was acquired; nothing is printed', async () => {
  const { answer, folder, printed } = await lose<{ heldFor: number; acquiredAt: string }[]>('event')
  expect(answer).toMatchObject([
    {
      path: `${folder}/file1`,
      lockfile: `${folder}/file1.hold`,
      mode: 'exclusive',
      owner: 'lane',
      label: 'turn 7',
      queued: 0,
    },
  ])
  expect(answer[0]?.heldFor).toBeGreaterThan(0)
  expect(answer[0]?.acquiredAt.split('\n')[0]).toMatch(/^at forget \(.*lost\.mjs:\d+:\d+\)$/)
  expect(printed).toBe('')
})

test('where it was acquired is kept for a hold without an owner only with HOLDFAST_TRACE=1', async () => {
  const plain = await lose<{ acquiredAt: string | null }[]>('anonymous')
  expect(plain.answer).toMatchObject([{ acquiredAt: null, owner: null, label: null }])
  const traced = await lose<{ acquiredAt: string | null }[]>('anonymous', { HOLDFAST_TRACE: '1' })
  expect(traced.answer[0]?.acquiredAt).toMatch(/lost\.mjs/)
  expect(plain.printed + traced.printed).toBe('')
})

test('where a request that waited was made is known, and named before what this package did, traced or not', async () => {
  const { answer } = await lose<string[]>('waited')
  for (const acquiredAt of answer) expect(acquiredAt.split('\n')[0]).toMatch(/^at here \(.*lost\.mjs:\d+:\d+\)$/)
})

test('without a subscriber a leak is one warning of the process, and nothing else is printed', async () => {
  const { answer, folder, printed } = await lose<number>('unheard')
  expect(answer).toBe(0)
  expect(printed.match(/HOLDFAST_LEAK/g)).toHaveLength(1)
  expect(printed).toContain(`[HOLDFAST_LEAK] HoldfastWarning: The lock of ${folder}/file1 was never released`)
  expect(printed).toContain('lost.mjs')
  const others = printed.split('\n').filter((line) => !/HOLDFAST_LEAK|^at |--trace-warnings|^$/.test(line))
  expect(others).toEqual([])
})

test('a hold with `keep: true` that nobody refers to survives 20 collections, and one without does not', async () => {
  const { answer, folder } = await lose<{ paths: string[]; found: number }>('keep')
  expect(answer).toEqual({ paths: [`${folder}/file1`], found: 1 })
})

test('the stack of an acquire does not keep the hold, its owner and its caller from being collected', async () => {
  expect((await lose('jobs')).answer).toBe(100)
})

test('the stack of a wait does not keep the hold, its owner and its caller from being collected', async () => {
  expect((await lose('waitingJobs')).answer).toBe(50)
})

test('a section of withLock() that does not look at its hold keeps the lock until its end', async () => {
  expect((await lose('section')).answer).toEqual({ found: 0 })
})

test('a set of holds keeps its locks while somebody refers to it, and no longer', async () => {
  expect((await lose('set')).answer).toEqual({ kept: true, left: 0, found: 2 })
})

test('10,000 owners opened and closed leave nothing behind, half of them with a signal that outlives them', async () => {
  expect((await lose('owners')).answer).toEqual({ left: 0, held: 0, listeners: 0 })
})

test('10,000 owners of one long-lived signal that were never closed leave nothing behind', async () => {
  expect((await lose('openOwners')).answer).toEqual({ left: 0, held: 0, listeners: 0 })
})
