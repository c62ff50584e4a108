// The soak, as the program it is: what it says at its end, and what it leaves.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { plan } from '../../examples/gateway/src/soak/plan.js'
import type { SoakJson } from '../../examples/gateway/src/soak/report.js'
import { missing, posix, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../../examples/gateway/dist/soak/soak.js', import.meta.url))
/** A soak ends by itself; this is for one that does not. */
const PATIENCE = 110_000

interface Ended {
  readonly code: number
  readonly output: string
}

function soak(...options: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...options], { timeout: PATIENCE }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1
      resolve({ code, output: stdout + stderr })
    })
  })
}

function jsonIn(folder: string): SoakJson {
  return JSON.parse(readFileSync(join(folder, 'soak.json'), 'utf8')) as SoakJson
}

/** Every element is closed, and by its own name. */
function isWellFormed(svg: string): boolean {
  const open: string[] = []
  for (const [, end, name, alone] of svg.matchAll(/<(\/?)([a-zA-Z]+)(?:\s+[\w-]+(?::\w+)?="[^"<]*")*\s*(\/?)>/g)) {
    if (end === '/' && open.pop() !== name) return false
    if (end !== '/' && alone !== '/') open.push(name ?? '')
  }
  return open.length === 0 && !/&(?!#\d+;)/.test(svg) && svg.split('<').length === svg.split('>').length
}

test(
  'a quarter of a minute full of incidents loses nothing, and leaves figures and a picture',
  async () => {
    const out = scratch()
    const { code, output } = await soak('--minutes', '0.25', '--rate', '60', '--seed', '3', '--out', out)
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('Nothing was lost') as string })
    expect(output).toContain('seed 3')
    expect(output).toContain('not judged: no life of 60 s')
    expect(output).not.toContain('without bound')

    const { version, ok, seed, totals, kills, happened, problems, samples } = jsonIn(out)
    expect({ version, ok, seed, problems }).toEqual({ version: 1, ok: true, seed: 3, problems: [] })
    expect(totals.messages.sent).toBeGreaterThan(30)
    expect(totals.messages.answered).toBe(totals.messages.sent)
    expect(totals.lines.acknowledged).toBeGreaterThan(totals.messages.sent)
    expect(kills).toBeGreaterThan(0)
    // What the seed says, as far as it came.
    const planned = plan({ seed: 3, length: 15_000, rate: 60, sessions: ['any'] })
    expect(happened.map(({ kind }) => kind)).toEqual(planned.slice(0, happened.length).map(({ kind }) => kind))
    // Of the gateway and of the job, and of each life of the gateway.
    expect(new Set(samples.map(({ process }) => process))).toEqual(new Set(['gateway', 'job']))
    expect(Math.max(...samples.map(({ life }) => life))).toBeGreaterThan(1)
    expect(samples.some(({ longestWait }) => longestWait !== null)).toBe(true)

    const svg = readFileSync(join(out, 'soak.svg'), 'utf8')
    expect(isWellFormed(svg)).toBe(true)
    expect(svg).toMatch(/^<svg [^]*<polyline [^]*<\/svg>\s*$/)
    expect(svg).toContain('>killed</text>')
  },
  PATIENCE,
)

test.skipIf(missing(procfs))(
  'memory, descriptors and threads are measured where the system tells them',
  async () => {
    const out = scratch()
    await soak('--minutes', '0.03', '--seed', '1', '--out', out)
    const { samples } = jsonIn(out)
    for (const { memory, descriptors, threads } of samples.filter(({ process }) => process === 'gateway')) {
      expect(memory).toBeGreaterThan(10 * 2 ** 20)
      expect(descriptors).toBeGreaterThan(3)
      expect(threads).toBeGreaterThan(1)
    }
    expect(samples.length).toBeGreaterThan(0)
  },
  PATIENCE,
)

test(
  'a line that is taken out of a transcript ends it with 1, and keeps the files',
  async () => {
    const out = scratch()
    const { code, output } = await soak('--minutes', '0.05', '--seed', '1', '--out', out, '--tamper')
    const kept = /^kept: (.*)$/m.exec(output)?.[1] ?? ''
    onTestFinished(() => rmSync(kept, { recursive: true, force: true }))
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('NOT everything is well') as string })
    expect(output).toMatch(/alpha: acknowledged lines that are lost: 1/)
    expect(existsSync(join(kept, 'sessions', 'alpha.jsonl'))).toBe(true)
    const { ok, totals } = jsonIn(out)
    expect({ ok, lost: totals.lines.lost }).toEqual({ ok: false, lost: 1 })
  },
  PATIENCE,
)

/** Processes that a process has started. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return new RegExp(`^PPid:\\s*${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'))
      } catch {
        return false // it is none, or has ended meanwhile
      }
    })
}

test.skipIf(missing(posix, procfs))(
  'a gateway and a job that end by themselves end it with 1, though nothing is lost, and it does not wait for them in vain',
  async () => {
    const out = scratch()
    const options = ['--minutes', '60', '--rate', '0.001', '--seed', '1', '--out', out]
    const child = spawn(process.execPath, [PROGRAM, ...options])
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    let killed: number[] = []
    let interrupted = false
    child.stdout.on('data', (piece: Buffer) => {
      output += piece.toString()
      const told = output.split('of 60.0 min').length - 1
      if (told > 0 && killed.length === 0) {
        killed = childrenOf(child.pid ?? -1)
        for (const pid of killed) process.kill(pid, 'SIGKILL')
      }
      if (told > 1 && !interrupted) interrupted = child.kill('SIGINT') // a second time would end it at once
    })
    const [code] = (await once(child, 'close')) as [number | null]
    const kept = /^kept: (.*)$/m.exec(output)?.[1] ?? ''
    onTestFinished(() => rmSync(kept, { recursive: true, force: true }))
    expect(killed).toHaveLength(2)
    const { ok, problems } = jsonIn(out)
    expect({ code, ok }).toEqual({ code: 1, ok: false })
    const named = killed.map((pid) => problems.find((problem) => problem.includes(` ${pid} ended with SIGKILL`)))
    expect(named.map((problem) => problem?.split(' ')[0]).sort()).toEqual(['gateway', 'job'])
    expect(problems).toHaveLength(2)
  },
  PATIENCE,
)

test.skipIf(missing(posix))(
  'one that is interrupted ends early, with a report of what it has seen',
  async () => {
    const out = scratch()
    const child = spawn(process.execPath, [PROGRAM, '--minutes', '60', '--seed', '1', '--out', out])
    onTestFinished(() => void child.kill('SIGKILL'))
    let output = ''
    child.stdout.on('data', (piece: Buffer) => {
      const before = output
      output += piece.toString()
      if (output.includes('of 60.0 min') && !before.includes('of 60.0 min')) child.kill('SIGINT')
    })
    const [code] = (await once(child, 'close')) as [number | null]
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('Nothing was lost') as string })
    expect(jsonIn(out).length).toBeLessThan(60 * 60_000)
  },
  PATIENCE,
)
