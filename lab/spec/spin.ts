// One run of spin: the model with some -D becomes a C program, that is compiled, and visits every state there is.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** More than any search has needed. */
const DEEPEST = 20_000_000
const MOST_MEMORY_MB = 12_000
const MOST_OUTPUT = 1 << 26

export interface Visit {
  /** The property that was violated, `deadlock` or `liveness`; null where nothing was found. */
  readonly violation: string | null
  /** False when spin gave up: then nothing is proven. */
  readonly complete: boolean
  readonly states: number
  readonly depth: number
  readonly seconds: number
  readonly output: string
}

export interface Search {
  readonly defines: readonly string[]
  readonly liveness?: boolean
  /** An optimised compilation takes seconds, which a search of seconds does not repay. */
  readonly small: boolean
  /** How deep the search may go: the memory for it is taken beforehand. */
  readonly deepest?: number
}

export async function visit(model: string, search: Search): Promise<Visit> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-spec-'))
  const began = performance.now()
  try {
    cpSync(model, folder, { recursive: true })
    await run('spin', ['-a', ...search.defines.map((name) => `-D${name}`), 'holdfast.pml'], { cwd: folder })
    const kind = search.liveness === true ? ['-DNFAIR=3'] : ['-DSAFETY']
    const options = [...kind, '-DVECTORSZ=2048', '-DCOLLAPSE', `-DMEMLIM=${MOST_MEMORY_MB}`, '-w']
    await run('cc', [search.small ? '-O0' : '-O2', ...options, '-o', 'pan', 'pan.c'], { cwd: folder })
    const output = await pan(folder, search)
    return { ...read(output), seconds: (performance.now() - began) / 1000, output }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function pan(folder: string, search: Search): Promise<string> {
  const fair = search.liveness === true ? ['-a', '-f'] : []
  const { stdout } = await run(join(folder, 'pan'), [`-m${search.deepest ?? DEEPEST}`, '-n', ...fair], {
    cwd: folder,
    maxBuffer: MOST_OUTPUT,
  })
  return stdout
}

function read(output: string): Omit<Visit, 'seconds' | 'output'> {
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? NaN)
  const errors = number(/errors: (\d+)/)
  return {
    violation: violationIn(output) ?? (errors > 0 ? 'something unknown' : null),
    complete: errors >= 0 && !/search depth too small|out of memory|not completed|truncated/.test(output),
    states: number(/^\s*([\d.e+]+) states, stored/m),
    depth: number(/depth reached (\d+)/),
  }
}

function violationIn(output: string): string | null {
  const asserted = /assertion violated \(+(\w+)!=0\)/.exec(output)?.[1]
  if (asserted !== undefined) return asserted
  if (/invalid end state/.test(output) && /pan:1: invalid end state/.test(output)) return 'deadlock'
  return /acceptance cycle/.test(output) && /pan:1: acceptance cycle/.test(output) ? 'liveness' : null
}
