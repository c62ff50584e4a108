// Whether the C baseline still makes the system calls of a holdfast cycle: both are run under strace with and without
// cycles, and the difference is what the cycles cost.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const CYCLES = 500
const STRAY = 0.1

/** One call has several names, by C library and processor. */
const NAMES = {
  open: 'open',
  openat: 'open',
  stat: 'stat',
  lstat: 'stat',
  fstat: 'stat',
  newfstatat: 'stat',
  statx: 'stat',
  flock: 'flock',
  pread64: 'pread',
  pwrite64: 'pwrite',
  close: 'close',
}

/** Answers null when they are the same, a warning otherwise. */
export function compareCalls(folder, program, rawPath, path, contender, record) {
  if (spawnSync('strace', ['-V']).error !== undefined)
    return 'strace is not installed: the system calls were not compared'
  const rawArgs = [program, 'cycle', rawPath, `${rawPath}.hold`, record ? '1' : '0']
  const nodeArgs = [process.execPath, join(import.meta.dirname, '..', 'fixtures', 'count-cycles.mjs'), contender, path]
  // The C program makes every cycle twice: once for the mean, once for the tail.
  const raw = perCycle((cycles) => count(folder, rawArgs, `${cycles / 2}\n`.repeat(cycles > 0 ? 1 : 0)))
  const node = perCycle((cycles) => count(folder, [...nodeArgs, cycles]))
  if (raw === null || node === null) return 'strace did not work here: the system calls were not compared'
  const names = [...new Set(Object.values(NAMES))]
  const different = names.filter((name) => Math.abs(raw[name] - node[name]) > STRAY)
  if (different.length === 0) return null
  const list = different.map((name) => `${name} ${node[name].toFixed(1)} against ${raw[name].toFixed(1)} in C`)
  return `the system calls of a cycle differ: ${list.join(', ')}`
}

function perCycle(run) {
  const idle = run(0)
  const busy = run(CYCLES)
  if (idle === null || busy === null) return null
  return Object.fromEntries(Object.keys(busy).map((name) => [name, (busy[name] - idle[name]) / CYCLES]))
}

function count(folder, command, input = '') {
  const output = join(folder, 'strace.txt')
  const { status } = spawnSync('strace', ['-f', '-c', '-o', output, ...command.map(String)], {
    input,
    encoding: 'utf8',
  })
  if (status !== 0) return null
  const calls = Object.fromEntries(Object.values(NAMES).map((name) => [name, 0]))
  for (const line of readFileSync(output, 'utf8').split('\n')) {
    // % time, seconds, usecs/call, calls, errors (may be empty), syscall
    const [, number, name] = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line) ?? []
    if (name in NAMES) calls[NAMES[name]] += Number(number)
  }
  return calls
}
