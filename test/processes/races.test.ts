// Hand-over against watchdog, grant against revocation, the end of a worker against hand-over: processes that do all of it
// at once, for seconds. What must never be: two inside guards of one lock at the same time.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { acquire } from '../../src/index.js'
import { kernelTables, nobodyLeft } from '../helpers/kernel-tables.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/races.mjs', import.meta.url))
/** A longer form is a matter of patience. */
const SECONDS = Number(process.env['HOLDFAST_SECONDS'] ?? 3)
const FILES = 3

interface Section {
  readonly file: number
  readonly mode: 'exclusive' | 'shared'
  /** In nanoseconds, by the clock of the machine. */
  readonly start: bigint
  readonly end: bigint
}

interface Report {
  readonly sections: Section[]
  readonly refused: number
  readonly timedOut: number
  readonly closed: number
  readonly terminated: number
  readonly held: number
  readonly others: string[]
}

/** Those that began before one that excludes them had ended. */
function violations(sections: readonly Section[]): Section[] {
  const found: Section[] = []
  for (let file = 0; file < FILES; file++) {
    let lastOfAny = 0n
    let lastExclusive = 0n
    const inOrder = sections.filter((section) => section.file === file).sort((a, b) => (a.start < b.start ? -1 : 1))
    for (const section of inOrder) {
      if (section.start < (section.mode === 'exclusive' ? lastOfAny : lastExclusive)) found.push(section)
      if (section.end > lastOfAny) lastOfAny = section.end
      if (section.mode === 'exclusive' && section.end > lastExclusive) lastExclusive = section.end
    }
  }
  return found
}

async function race(folder: string, seed: number, lanes: number, workers: number): Promise<Report> {
  const options = { folder, files: FILES, lanes, workers, milliseconds: SECONDS * 1000, seed }
  const child = fork(PROGRAM, [JSON.stringify(options)], { serialization: 'advanced' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const report = new Promise<Report>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Report))
    child.once('exit', (code, signal) => reject(new Error(`it ended without a report (${code ?? signal})`)))
  })
  const [answer, exit] = await Promise.all([report, once(child, 'exit')])
  expect(exit).toEqual([0, null])
  return answer
}

const sum = (reports: Report[], count: (report: Report) => number) => reports.map(count).reduce((a, b) => a + b)

test.for([
  ['limits of a few milliseconds, blocked event loops and owners that close', 6, 0],
  ['the same in workers that are terminated', 1, 3],
] as const)(
  'nobody is inside a guard while another one is, with %s',
  { timeout: (SECONDS + 60) * 1000 },
  async ([, lanes, workers]) => {
    const folder = scratch()
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    console.log(`races: SEED=${seed}`)
    const reports = await Promise.all([0, 1, 2].map((child) => race(folder, seed + child, lanes, workers)))
    const sections = reports.flatMap((report) => report.sections)
    expect(violations(sections)).toEqual([])
    expect(reports.flatMap(({ others }) => others)).toEqual([])
    // All that was to race took part.
    expect(sections.length).toBeGreaterThan(100)
    for (const mode of ['exclusive', 'shared']) expect(sections.some((section) => section.mode === mode)).toBe(true)
    expect(sum(reports, ({ refused }) => refused)).toBeGreaterThan(0)
    expect(sum(reports, ({ timedOut }) => timedOut)).toBeGreaterThan(0)
    expect(sum(reports, ({ terminated }) => terminated) > 0).toBe(workers > 0)
    expect(sum(reports, ({ held }) => held)).toBe(0)
    for (let file = 0; file < FILES; file++) {
      const path = join(folder, `file${file}`)
      if (kernelTables.there) await nobodyLeft(`${path}.hold`)
      ;(await acquire(path, { timeout: 0 })).release()
    }
  },
)
