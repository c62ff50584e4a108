// A store and the processes around it: those that die, those that block, and those that write at the same time.
import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test } from 'vitest'

import { acquire, inspect } from '../../src/index.js'
import { openStore, updateJson } from '../../src/session/store.js'
import { missing, posix, program } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { StoreProcess } from './store-process.js'

interface Count {
  n: number
}

function newFile(content?: string): string {
  const file = join(scratch(), 'sessions.json')
  if (content !== undefined) writeFileSync(file, content)
  return file
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const parsed = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

describe('an update', () => {
  test('is written, and the lock goes on, while the event loop of its process is blocked', async () => {
    const file = newFile('{"n":0}')
    const other = await StoreProcess.start(file)
    other.tell('incrementAndBlock')
    await until('it is written', () => (parsed(file) as Count).n === 1)
    const hold = await acquire(file)
    await mustStayBlocked(other.ask('read'))
    hold.release()
    expect(await updateJson<Count>(file, ({ n }) => ({ n: n + 1 }))).toEqual({ n: 2 })
  })

  const mkfifo = program('mkfifo')
  test.skipIf(missing(posix, mkfifo))(
    'is written, and the lock goes on, while every thread of the pool is busy',
    async () => {
      const file = newFile('{"n":0}')
      const other = await StoreProcess.start(file)
      const pipes = Array.from({ length: 4 }, (_, index) => join(dirname(file), `pipe-${index}`))
      expect(spawnSync('mkfifo', pipes).status).toBe(0)
      await other.ask('occupyPool', pipes)
      const blocked = other.ask('stat')
      await mustStayBlocked(blocked)
      await other.ask('increment', 3)
      expect(inspect(file).state).toBe('free')
      expect(parsed(file)).toEqual({ n: 3 })
      await mustStayBlocked(blocked)
      blocked.catch(() => {}) // it ends with the process
    },
  )

  test('whose process dies in the middle of it is not there, and the next one waits for nothing', async () => {
    const file = newFile('{"n":0}')
    const other = await StoreProcess.start(file)
    other.tell('dieInUpdate')
    expect(await other.ended).toMatchObject({ signal: 'SIGKILL' })
    expect(await updateJson<Count>(file, ({ n }) => ({ n: n + 1 }))).toEqual({ n: 1 })
  })
})

test('what a process leaves that dies before its new file is in place is removed by the next one', async () => {
  const file = newFile('{"n":0}')
  const random = '0123456789abcdef0123456789abcdef'
  const left = [`.sessions.json.${random}.tmp`, `.sessions.json.${random.replaceAll('0', 'f')}.tmp`]
  const foreign = [`.sessions.json.bak.${random}.tmp`, '.sessions.json.1.tmp', `sessions.json.${random}.tmp`]
  for (const name of [...left, ...foreign]) writeFileSync(join(dirname(file), name), 'cut')
  const names = (): string[] => readdirSync(dirname(file)).filter((name) => name.endsWith('.tmp'))
  const store = await openStore<Count>(file)
  await store.update(({ n }) => ({ n: n + 1 })) // nobody has died, so nobody looks for them
  await store.close()
  expect(names()).toHaveLength(5)
  const other = await StoreProcess.start(file)
  other.tell('dieInUpdate')
  await other.ended
  const next = await openStore<Count>(file)
  await next.update(({ n }) => ({ n: n + 1 }))
  await next.close()
  expect(names().sort()).toEqual(foreign.sort())
  expect(parsed(file)).toEqual({ n: 2 })
})

const strace = program('strace')

describe.skipIf(missing(strace))('what an update asks the system for', () => {
  /** The calls of one update that name the store's files or what is made of them. */
  function callsOf(durability: string): string[] {
    const file = newFile('{"n":0}')
    const log = join(scratch(), 'calls')
    const calls = 'openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink'
    const script = `
      import { updateJson } from 'holdfast/session'
      await updateJson(process.argv[1], ({ n }) => ({ n: n + 1 }), { durability: process.argv[2] })`
    const node = [process.execPath, '--input-type=module', '-e', script, file, durability]
    const { status, stderr } = spawnSync('strace', ['-f', '-y', '-e', `trace=${calls}`, '-o', log, ...node], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
    const lines = readFileSync(log, 'utf8').split('\n')
    return lines.flatMap((line) => {
      const [, call] = /^\d+ +(\w+)\(/.exec(line) ?? []
      if (call === undefined || !line.includes(dirname(file)) || line.includes('.hold')) return []
      const what = line.includes('.tmp') ? 'new' : line.includes(file) ? 'store' : 'folder'
      return call === 'openat' ? [] : [`${call.replace(/^rename.*/, 'rename')} ${what}`]
    })
  }

  test('is to have the new file on the device, then to put it in place, then to have its name there', () => {
    expect(callsOf('batch')).toEqual(['write new', 'fdatasync new', 'rename new', 'fsync folder'])
  })

  test('is only to write and to put in place where durability is `none`', () => {
    expect(callsOf('none')).toEqual(['write new', 'rename new'])
  })
})

interface Tally {
  total: number
  lanes: Record<string, number>
}

const PROGRAM = fileURLToPath(new URL('../fixtures/store-updates.mjs', import.meta.url))
const PROCESSES = 8
const LANES = 4
/** Of one process, in updates; a few get through without one. */
const MOST_BETWEEN_KILLS = 30
const UPDATES = Math.ceil(Number(process.env['HOLDFAST_UPDATES'] ?? 40) / LANES)

/** Kills its process again and again, in the middle of what it does, and starts it anew. */
class Nemesis {
  kills = 0
  /** What lanes were told is written. */
  readonly acknowledged = new Map<string, number>()
  private readonly file: string

  constructor(file: string) {
    this.file = file
  }

  async run(name: string): Promise<void> {
    for (;;) {
      const child = fork(PROGRAM, [this.file, name, String(LANES), String(UPDATES)], { stdio: 'inherit' })
      onTestFinished(() => void child.kill('SIGKILL'))
      this.listen(child)
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      if (signal === null) {
        expect(code).toBe(0)
        return
      }
    }
  }

  /** Between its messages, wherever it is then. */
  private listen(child: ChildProcess): void {
    let left = 1 + Math.floor(Math.random() * MOST_BETWEEN_KILLS)
    child.on('message', ({ key, count }: { key: string; count: number }) => {
      this.acknowledged.set(key, Math.max(count, this.acknowledged.get(key) ?? 0))
      if (--left !== 0) return
      this.kills++
      setTimeout(() => child.kill('SIGKILL'), Math.random() * 4)
    })
  }
}

const isWhole = ({ total, lanes }: Tally): boolean => {
  return total === Object.values(lanes).reduce((sum, count) => sum + count, 0)
}

test(
  'eight processes that are killed at random lose no update, and whoever reads sees a whole store all the time',
  { timeout: 600_000 },
  async () => {
    const file = newFile()
    const nemesis = new Nemesis(file)
    const over = new AbortController()
    let reads = 0
    const reader = (async () => {
      await using store = await openStore<Tally>(file, { initial: { total: 0, lanes: {} } })
      for (let last = 0; !over.signal.aborted; reads++) {
        const value = await store.read()
        expect(isWhole(value)).toBe(true)
        expect(value.total).toBeGreaterThanOrEqual(last)
        last = value.total
        if (existsSync(file)) expect(isWhole(parsed(file) as Tally)).toBe(true)
      }
    })()
    const names = Array.from({ length: PROCESSES }, (_, index) => `p${index}`)
    await Promise.all(names.map((name) => nemesis.run(name))).finally(() => over.abort())
    await reader
    const { total, lanes } = parsed(file) as Tally
    expect(total).toBe(PROCESSES * LANES * UPDATES)
    expect(Object.values(lanes)).toEqual(Array.from({ length: PROCESSES * LANES }, () => UPDATES))
    for (const [key, count] of nemesis.acknowledged) expect(lanes[key]).toBeGreaterThanOrEqual(count)
    expect(reads).toBeGreaterThan(10)
    console.log(`${total} updates, ${nemesis.kills} kills, ${reads} reads`)
  },
)
