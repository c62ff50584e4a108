// Another user's process: it keeps locks that it can open, and changes what it owns as fast as it can.
import {
  chmodSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'

import { acquire, type Hold } from 'holdfast'

import type { AttackerCalls, Race } from './calls.js'
import { serve } from './serve.js'

const held: Hold[] = []

const leases: ChildProcess[] = []

/** fcntl(F_SETLEASE, F_WRLCK); whoever opens the file has SIGIO sent to us, which asks for it back. */
const LEASE = '$SIG{IO} = "IGNORE"; $| = 1; open(F, "+<", shift) && fcntl(F, 1024, 1) or die $!; print "."; sleep 600'

/** One round changes what is at the path; rounds of a race follow each other at once, a slice of them a turn. */
const SLICE = 20
let racing: { round: (count: number) => void; rounds: number; path: string } | null = null

const GARBAGE = [
  '',
  'x',
  'holdfast ',
  'holdfast {"v":',
  'holdfast {"v":1,"state":"held",'.padEnd(700, '['),
  '\0'.repeat(512),
]

function fresh(path: string, content = ''): void {
  writeFileSync(path, content)
  chmodSync(path, 0o666)
}

const RACES: Record<Race, (path: string, outside: string) => (count: number) => void> = {
  recreate: (path) => () => {
    rmSync(path, { force: true })
    fresh(path)
  },
  'rename over': (path) => (count) => {
    fresh(`${path}~`, GARBAGE[count % GARBAGE.length])
    renameSync(`${path}~`, path)
  },
  symlinks: (path, outside) => (count) => {
    const nowhere = join(dirname(outside), 'folder', 'nowhere')
    rmSync(`${path}~`, { force: true })
    if (count % 4 === 0) rmSync(path, { force: true })
    else if (count % 4 === 1) fresh(`${path}~`)
    else symlinkSync(count % 4 === 2 ? outside : nowhere, `${path}~`)
    if (count % 4 !== 0) renameSync(`${path}~`, path)
  },
  fifos(path) {
    execFileSync('mkfifo', ['-m', '666', `${path}~fifo`])
    return (count) => {
      if (count % 2 === 0) fresh(`${path}~`, '{"line":1}\n')
      else linkSync(`${path}~fifo`, `${path}~`)
      renameSync(`${path}~`, path)
    }
  },
  // One file, and a symlink to another one.
  swap(path, outside) {
    fresh(`${path}~kept`, '{"line":1}\n')
    return (count) => {
      if (count % 2 === 0) linkSync(`${path}~kept`, `${path}~`)
      else symlinkSync(outside, `${path}~`)
      renameSync(`${path}~`, path)
      rmSync(`${path}~`, { force: true })
    }
  },
  folders: (path) => (count) => {
    rmSync(path, { force: true, recursive: true })
    if (count % 2 === 0) fresh(path)
    else mkdirSync(path)
  },
  // `path` is a folder here.
  parents: (path, outside) => () => {
    renameSync(path, `${path}~`)
    symlinkSync(outside, path)
    unlinkSync(path)
    renameSync(`${path}~`, path)
  },
  content(path) {
    fresh(path)
    const file = openSync(path, 'r+')
    return (count) => {
      ftruncateSync(file, [0, 3, 700][count % 3])
      writeSync(file, GARBAGE[count % GARBAGE.length] ?? '', 0)
    }
  },
  modes(path) {
    fresh(path)
    return (count) => chmodSync(path, [0o666, 0, 0o444, 0o222][count % 4] ?? 0)
  },
}

function run(): void {
  if (racing === null) return
  for (let i = 0; i < SLICE; i++) {
    racing.rounds++
    try {
      racing.round(racing.rounds)
    } catch {
      // The victim was faster, and what stands there now is in the way: the next round.
    }
  }
  setImmediate(run)
}

const calls: AttackerCalls = {
  async hold(path, mode) {
    held.push(await acquire(path, { mode, record: false, timeout: 5000 }))
  },
  async lease(path) {
    const lease = spawn('perl', ['-e', LEASE, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    leases.push(lease)
    await once(lease.stdout, 'data')
  },
  letGo() {
    for (const lease of leases.splice(0)) lease.kill('SIGKILL')
    for (const hold of held.splice(0)) hold.release()
  },
  race(race, path, outside) {
    racing = { round: RACES[race](path, outside), rounds: 0, path: race === 'parents' ? '' : path }
    run()
  },
  rounds() {
    return racing?.rounds ?? 0
  },
  stop() {
    if (racing === null) return
    const { path } = racing
    racing = null
    if (path !== '') for (const end of ['', '~', '~fifo', '~kept']) rmSync(path + end, { force: true, recursive: true })
  },
}

serve({ ...calls })
