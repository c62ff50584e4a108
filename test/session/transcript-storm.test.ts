// Processes that append from many lanes, compact, and are killed, all at once and for seconds. What must never be: a line
// that was acknowledged and is not there, one that is there twice, or before one that its lane wrote earlier.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import { fold } from '../fixtures/transcript-fold.mjs'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { asides, opened, strangersBeside } from '../helpers/transcript.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/transcript-storm.mjs', import.meta.url))
/** A longer form is a matter of patience. */
const SECONDS = Number(process.env['HOLDFAST_SECONDS'] ?? 4)
const PROCESSES = 4
const LANES = 10
const IN_FLIGHT = 3

interface Report {
  readonly problems: string[]
  readonly compactions: number
}

test(
  `${PROCESSES} processes of ${LANES} lanes, under kills and compactions, keep every acknowledged line once and in order`,
  { timeout: (SECONDS + 60) * 1000 },
  async () => {
    const path = file()
    const folder = scratch()
    const end = performance.now() + SECONDS * 1000
    let started = 0
    let killed = 0
    const problems: string[] = []

    async function start(): Promise<ChildProcess> {
      const name = `p${started++}`
      const options = {
        path,
        name,
        lanes: LANES,
        inFlight: IN_FLIGHT,
        acknowledged: join(folder, name),
        milliseconds: 200,
      }
      const child = fork(PROGRAM, [JSON.stringify(options)])
      onTestFinished(() => void child.kill('SIGKILL'))
      child.on('message', (message) => {
        if (typeof message === 'object') problems.push(...(message as Report).problems)
      })
      await once(child, 'message')
      return child
    }

    /** Killed at some moment, again and again; the last one is told to end. */
    async function slot(): Promise<Report> {
      for (;;) {
        const child = await start()
        const exit = once(child, 'exit')
        if (performance.now() > end) {
          const report = once(child, 'message').then(([message]) => message as Report)
          await pause(500)
          child.send('stop')
          await exit
          return await report
        }
        await pause(Math.random() * 500)
        child.kill('SIGKILL')
        await exit
        killed++
      }
    }

    const reports = await Promise.all(Array.from({ length: PROCESSES }, slot))
    expect(problems).toEqual([])

    const transcript = await opened(path)
    const snapshot = transcript.read()
    const counts = await fold(snapshot)
    let lines = 0
    for (let number = 0; number < started; number++) {
      const acks = existsSync(join(folder, `p${number}`)) ? readFileSync(join(folder, `p${number}`), 'utf8') : ''
      const acknowledged = new Map<string, number>()
      for (const line of acks.split('\n').slice(0, -1)) {
        const [lane = '', n] = line.split(' ')
        acknowledged.set(lane, Math.max(acknowledged.get(lane) ?? 0, Number(n) + 1))
        lines++
      }
      for (let index = 0; index < LANES; index++) {
        const lane = `p${number}.${index}`
        const least = acknowledged.get(lane) ?? 0
        expect(counts[lane] ?? 0, lane).toBeGreaterThanOrEqual(least)
        expect(counts[lane] ?? 0, lane).toBeLessThanOrEqual(least + IN_FLIGHT)
      }
    }
    // All that was to happen has happened.
    expect(lines).toBeGreaterThan(100)
    expect(killed).toBeGreaterThan(PROCESSES)
    expect(reports.reduce((sum, { compactions }) => sum + compactions, 0)).toBeGreaterThan(0)

    await transcript.compact([{ counts }], { expect: snapshot.version })
    expect(strangersBeside(path).filter((name) => !name.includes('.torn-'))).toEqual([])
    const hold = tryAcquire(path)
    expect(hold?.held).toBe(true)
    hold?.release()
    const torn = asides(path)
    // Each is the beginning of a line.
    for (const half of torn) expect(half.slice(0, 10)).toBe('{"lane":"p'.slice(0, half.length))
    console.log(`storm: ${lines} lines acknowledged, ${killed} processes killed, ${torn.length} lines torn`)
  },
)
