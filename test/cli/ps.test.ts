// `holdfast ps`: what is told of locks, and that looking at them does nothing to them.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import { widthOfText } from '../../src/cli/text.js'
import { Agent } from '../helpers/agent.js'
import { anotherUser, missing, posix, program } from '../helpers/capabilities.js'
import { kernelTables } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { holdfast, PROGRAM } from './program.js'
import { Seen } from './screen.js'
import { onTerminal, terminals } from './terminal.js'

interface LockJson {
  file: string
  lockfile: string
  state: string
  holders: { pid: number; mode: string; label: string | null; owner: string | null; heldMs: number; command: string }[]
  waiters: { pid: number; mode: string; since: string; waitedMs: number; command: string }[]
  abandoned: { pid: number; label: string | null; state: string; reason: string | null } | null
  problem: string | null
}

function ps(args: readonly string[], cwd: string): string[] {
  const { status, stdout, stderr } = holdfast(['ps', ...args], { cwd })
  expect([status, stderr]).toEqual([0, ''])
  return stdout.trimEnd().split('\n')
}

function psJson(args: readonly string[], cwd: string): LockJson[] {
  return ps(['--json', ...args], cwd)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LockJson)
}

/** A record as this version writes it, in ASCII, with other content. */
function writeRecord(file: string, fields: object): void {
  const json = JSON.stringify({ v: 1, state: 'held', pid: 1, since: 0, ...fields })
  const ascii = json.replace(/[^\x20-\x7e]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
  writeFileSync(file, `holdfast ${ascii}`.padEnd(512))
  expect(readFileSync(file)).toHaveLength(512)
}

describe('ps', () => {
  test.skipIf(missing(kernelTables))('names who holds and who waits, in the order of the kernel', async () => {
    const folder = scratch()
    const file = join(folder, 'session.jsonl')
    const [one, two, three] = [await Agent.start(), await Agent.start(), await Agent.start()]
    await one.acquire(file, { label: 'main run', maxHold: 600_000 })
    const granted = two.acquire(file)
    await waiterBlocked(`${file}.hold`, two.pid)
    void three.acquire(file, { mode: 'shared' }).catch(() => undefined)
    await waiterBlocked(`${file}.hold`, three.pid)

    const [titles, holder, second, third, blank, summary] = ps([], folder)
    expect(titles).toMatch(/^FILE +STATE +PID +FOR +LABEL +COMMAND$/)
    expect(holder).toMatch(new RegExp(`^session.jsonl +held +${one.pid} +[\\d.]+s +main run +\\S*node.*agent.mjs`))
    expect(second).toMatch(new RegExp(`^ +waiting +${two.pid} +[\\d.]+s +\\S*node.*agent.mjs`))
    expect(third).toMatch(new RegExp(`^ +waiting +${three.pid} +[\\d.]+s`))
    expect([blank, summary]).toEqual(['', '1 held, 0 shared, 2 waiting, 0 abandoned, 0 free'])

    const [lock] = psJson([], folder)
    expect(lock).toMatchObject({ file, lockfile: `${file}.hold`, state: 'held', abandoned: null, problem: null })
    expect(lock?.holders).toMatchObject([{ pid: one.pid, mode: 'exclusive', label: 'main run', confirmed: true }])
    expect(lock?.waiters.map(({ pid, mode }) => [pid, mode])).toEqual([
      [two.pid, 'exclusive'],
      [three.pid, 'shared'],
    ])
    await one.kill()
    await granted
    const [next] = psJson([], folder)
    expect(next?.holders).toMatchObject([{ pid: two.pid }])
  })

  test.skipIf(missing(kernelTables))('makes no wait longer than it is', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const [holder, waiter] = [await Agent.start(), await Agent.start()]
    await holder.acquire(file)
    const before = Date.now()
    void waiter.acquire(file).catch(() => undefined)
    await waiterBlocked(`${file}.hold`, waiter.pid)
    const [lock] = psJson([], folder)
    const waited = lock?.waiters[0]?.waitedMs ?? NaN
    // Births of threads are told in hundredths of a second, and ours, that they are counted from, as well.
    expect(waited).toBeLessThanOrEqual(Date.now() - before + 200)
    expect(waited).toBeGreaterThanOrEqual(0)
  })

  test.skipIf(missing(kernelTables, anotherUser))(
    'knows as much of a wait whose threads it may not look at',
    async () => {
      const folder = scratch()
      const file = join(folder, 'file')
      const waiter = await Agent.start() // is older than its wait by the start of another process, and by two looks
      const holder = await Agent.start()
      await holder.acquire(file)
      chmodSync(folder, 0o755)
      chmodSync(`${file}.hold`, 0o666)
      psJson([], folder)
      void waiter.acquire(file).catch(() => undefined)
      await waiterBlocked(`${file}.hold`, waiter.pid)
      const [own] = psJson([], folder)
      const nobody = { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' } as const
      const { stdout } = spawnSync(process.execPath, [PROGRAM, 'ps', '--json', folder], nobody)
      const others = JSON.parse(stdout) as LockJson
      const times = [own, others].map((lock) => Date.parse(lock?.waiters[0]?.since ?? ''))
      expect(Math.abs((times[0] ?? NaN) - (times[1] ?? NaN))).toBeLessThan(150)
    },
  )

  test('tells of a holder that died, and of a hold that was revoked', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'dead'), { label: 'dying' })
    await agent.kill()
    const revoked = await Agent.start()
    await revoked.acquire(join(folder, 'revoked'))
    await revoked.ask('releaseAll')

    const lines = ps([], folder)
    expect(lines[1]).toMatch(new RegExp(`^dead +abandoned +${agent.pid} +[\\d.]+s +dying +\\(died\\)$`))
    expect(lines[2]).toMatch(new RegExp(`^revoked +abandoned +${revoked.pid} +[\\d.]+s +\\(ended: released-all\\)$`))
    expect(psJson([], folder)).toMatchObject([
      { state: 'abandoned', holders: [], abandoned: { pid: agent.pid, label: 'dying', state: 'held' } },
      { state: 'abandoned', holders: [], abandoned: { pid: revoked.pid, state: 'revoked', reason: 'released-all' } },
    ])
  })

  test.skipIf(missing(kernelTables))('tells of shared holds, which no record names', async () => {
    const folder = scratch()
    const [one, two] = [await Agent.start(), await Agent.start()]
    for (const agent of [one, two]) await agent.acquire(join(folder, 'file'), { mode: 'shared' })
    const [lock] = psJson([], folder)
    expect(lock?.state).toBe('shared')
    expect(lock?.holders.map(({ pid }) => pid).sort()).toEqual([one.pid, two.pid].sort())
    expect(ps([], folder)[1]).toMatch(/^file +shared +\d+ /)
  })

  test.skipIf(missing(kernelTables))(
    'does not give a holder without a record the words of an earlier one',
    async () => {
      const folder = scratch()
      const file = join(folder, 'file')
      const [dead, quiet] = [await Agent.start(), await Agent.start()]
      await dead.acquire(file, { label: 'of the dead' })
      await dead.kill()
      await quiet.acquire(file, { record: false })
      const [lock] = psJson([], folder)
      expect(lock).toMatchObject({ state: 'held', holders: [{ pid: quiet.pid, label: null }], abandoned: null })
    },
  )

  test('believes the record where nobody else knows, and says so', () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const hold = tryAcquire(file)
    // What a holder writes that is in another container: ids that mean nothing here.
    writeRecord(`${file}.hold`, { pid: 7, pidns: '1', host: 'elsewhere', label: 'theirs', since: Date.now() })
    const [line] = ps([], folder).slice(1)
    const [lock] = psJson([], folder)
    hold?.release()
    expect(line).toMatch(/^file +held +\S+ +[\d.]+s +theirs @elsewhere/)
    expect(lock?.holders).toMatchObject([{ label: 'theirs', host: 'elsewhere' }])
  })
})

describe('what ps looks at', () => {
  test('is the lock of a FILE, through links too, or the lock file itself', () => {
    const folder = scratch()
    const hold = tryAcquire(join(folder, 'file'), { label: 'mine' })
    symlinkSync('file', join(folder, 'link'))
    for (const name of ['file', 'link', 'file.hold']) {
      expect(psJson([name], folder)).toMatchObject([{ lockfile: join(folder, 'file.hold'), state: 'held' }])
    }
    hold?.release()
    expect(psJson(['file', 'file.hold'], folder)).toMatchObject([{ state: 'free' }])
  })

  test('is a lock file of any name that has our record', () => {
    const folder = scratch()
    const lockfile = join(folder, 'exact.lck')
    const hold = tryAcquire(join(folder, 'file'), { lockfile, label: 'mine' })
    expect(psJson(['exact.lck'], folder)).toMatchObject([{ lockfile, file: lockfile, state: 'held' }])
    hold?.release()
  })

  test('is every lock file of a folder, and of those in it with -r; never through links', () => {
    const folder = scratch()
    mkdirSync(join(folder, 'deep', 'er'), { recursive: true })
    const other = scratch()
    const names = ['a', 'deep/b', 'deep/er/c']
    const holds = [...names.map((name) => tryAcquire(join(folder, name))), tryAcquire(join(other, 'd'))]
    symlinkSync(other, join(folder, 'linked'))
    symlinkSync(join(other, 'd.hold'), join(folder, 'd.hold'))
    symlinkSync('.', join(folder, 'deep', 'round'))
    expect(ps([], folder).slice(1, -2)).toEqual([expect.stringMatching(/^a +held/)])
    expect(psJson(['-r'], folder).map(({ file }) => file)).toEqual(names.map((name) => join(folder, name)))
    expect(psJson(['linked'], folder)).toMatchObject([{ file: join(folder, 'linked', 'd') }])
    for (const hold of holds) hold?.release()
  })

  test('is shown when it is free only if it was named, or with --all', () => {
    const folder = scratch()
    tryAcquire(join(folder, 'file'))?.release()
    expect(ps([], folder)).toEqual(['0 held, 0 shared, 0 waiting, 0 abandoned, 1 free'])
    expect(psJson([], folder)).toEqual([])
    for (const args of [['--all'], ['file']]) expect(ps(args, folder)[1]).toMatch(/^file +free/)
  })

  test('is neither made nor changed', () => {
    const folder = scratch()
    writeFileSync(join(folder, 'data'), 'of somebody')
    writeFileSync(join(folder, 'empty.hold'), '')
    writeRecord(join(folder, 'dead.hold'), {})
    const before = readFileSync(join(folder, 'dead.hold'))
    psJson(['data', 'none', 'no/folder', '.', 'empty'], folder)
    expect(readdirSync(folder)).toEqual(['data', 'dead.hold', 'empty.hold'])
    expect(readFileSync(join(folder, 'dead.hold'))).toEqual(before)
    expect(readFileSync(join(folder, 'data'), 'utf8')).toBe('of somebody')
    expect(readFileSync(join(folder, 'empty.hold'), 'utf8')).toBe('')
  })

  test.skipIf(missing(program('strace'), posix))('is never locked where it is not a lock file', () => {
    const folder = scratch()
    writeFileSync(join(folder, 'data'), 'of somebody')
    writeFileSync(join(folder, 'data.hold'), '')
    const traced = ['-f', '-y', '-e', 'trace=flock', process.execPath, PROGRAM, 'ps', 'data']
    const { stderr } = spawnSync('strace', traced, { cwd: folder, encoding: 'utf8' })
    expect(stderr).toContain('/data.hold>, LOCK_SH|LOCK_NB)')
    expect(stderr).not.toContain('/data>')
    // Every lock that is taken is shared, asked for without waiting.
    expect(stderr.split('\n').filter((line) => /flock\((?!.*LOCK_SH\|LOCK_NB|.*LOCK_UN)/.test(line))).toEqual([])
  })

  test.skipIf(missing(program('mkfifo'), posix))('may be anything: a FIFO, a folder, garbage, a missing folder', () => {
    const folder = scratch()
    spawnSync('mkfifo', [join(folder, 'fifo.hold'), join(folder, 'fifo')])
    mkdirSync(join(folder, 'folder.hold'))
    writeFileSync(join(folder, 'garbage.hold'), `holdfast {"v":1${'\0'.repeat(5000)}`)
    const found = psJson(['-a', '.', 'fifo', 'fifo.hold', 'folder.hold/x', 'no/where'], folder)
    const states = Object.fromEntries(found.map(({ file, state }) => [file.slice(folder.length + 1), state]))
    expect(states).toMatchObject({ fifo: 'unknown', garbage: 'free', 'no/where': 'free' })
  })

  test.skipIf(missing(anotherUser, posix))('is told as unknown where it may not be read', () => {
    const folder = scratch()
    spawnSync('chmod', ['755', folder])
    tryAcquire(join(folder, 'file'))?.release()
    const { stdout, status } = spawnSync(process.execPath, [PROGRAM, 'ps', '--json', folder], {
      uid: 65534,
      gid: 65534,
      encoding: 'utf8',
      cwd: '/',
    })
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ state: 'unknown', problem: expect.stringContaining('EACCES') as string })
  })
})

describe('ps on a terminal of 80 columns', () => {
  const long = 'long '.repeat(40)

  function crowded(): string {
    const folder = scratch()
    for (const name of ['a'.repeat(120), '鎖'.repeat(50), 'plain']) {
      writeRecord(join(folder, `${name}.hold`), { label: `${long} 鎖鎖鎖`, owner: '🔒'.repeat(10) })
    }
    return folder
  }

  test.skipIf(missing(terminals))('is no wider, whatever the names are', async () => {
    const { output } = await shown(['ps', crowded()])
    const lines = new Seen(output).first.trimEnd().split('\r\n')
    expect(lines).toHaveLength(6)
    expect(Math.max(...lines.map(widthOfText))).toBeLessThanOrEqual(80)
    expect(lines[1]).toContain('…')
  })

  test.skipIf(missing(terminals))('has colours, and none with NO_COLOR', async () => {
    const folder = crowded()
    expect((await shown(['ps', folder])).output).toContain('\x1b[31mabandoned\x1b[0m')
    expect((await shown(['ps', folder], { NO_COLOR: '1' })).output).not.toContain('\x1b')
  })

  test('cuts nothing that a program reads, and colours nothing', () => {
    const { stdout } = holdfast(['ps', crowded()])
    expect(stdout).toContain('a'.repeat(120))
    expect(stdout).toContain(long.trim())
    expect(stdout).not.toContain('\x1b')
  })

  async function shown(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const running = onTerminal([process.execPath, PROGRAM, ...args], { env })
    expect(await running.ended).toMatchObject({ code: 0 })
    return running
  }
})

describe('hostile text', () => {
  const EVIL = 'x\x1b]0;owned\x07\x1b[2J\r\n\u202eevil\u009b31m\u2028y'
  const OBEYED = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]/ // eslint-disable-line no-control-regex

  test.skipIf(missing(posix))('in records, names and commands is shown harmless, as JSON too', async () => {
    const folder = scratch()
    writeRecord(join(folder, 'dead.hold'), { label: EVIL, owner: EVIL, reason: EVIL, state: 'revoked', host: EVIL })
    const named = join(folder, `n${EVIL}.hold`)
    writeRecord(named, {})
    const agent = await Agent.start({ execArgv: ['--title', EVIL] })
    await agent.acquire(join(folder, 'live'), { label: EVIL })

    const { stdout } = holdfast(['ps'], { cwd: folder })
    expect(stdout).not.toMatch(OBEYED)
    expect(stdout).toContain('x\\x1b]0;owned\\x07')
    expect(stdout.trimEnd().split('\n')).toHaveLength(6)

    const json = holdfast(['ps', '--json'], { cwd: folder }).stdout
    expect(json).not.toMatch(OBEYED)
    const locks = psJson([], folder)
    expect(locks.map(({ lockfile }) => lockfile)).toContain(named)
    expect(locks.map(({ abandoned }) => abandoned?.label)).toContain(EVIL)
    expect(locks.find(({ state }) => state === 'held')?.holders[0]?.label).toBe(EVIL)
  })

  test('in numbers and times makes no mistake of this program', () => {
    const folder = scratch()
    const records = [{ pid: 1e300 }, { pid: -1 }, { since: 8.64e15 }, { since: -8.64e15 }, { pid: 0.5, fence: 'x' }]
    for (const [index, fields] of records.entries()) writeRecord(join(folder, `${index}.hold`), fields)
    expect(psJson([], folder)).toHaveLength(records.length)
    ps([], folder)
  })
})

describe('the exit code of ps', () => {
  test('is 1 when anything is held for as long as --longer-than, in text and JSON', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'file'))
    for (const more of [[], ['--json']]) {
      expect(holdfast(['ps', folder, '--longer-than', '3600', ...more]).status).toBe(0)
      expect(holdfast(['ps', folder, '--longer-than', '0', ...more]).status).toBe(1)
    }
  })

  test.each([
    [['--longer-than', 'soon'], '--longer-than takes seconds, not soon'],
    [['--for', '1'], '--for is for --watch'],
    [['--frob'], "Unknown option '--frob'"],
  ])('is 64 for %j', (args, message) => {
    const { status, stderr } = holdfast(['ps', ...args])
    expect(status).toBe(64)
    expect(stderr).toContain(message)
  })

  test.skipIf(missing(posix))('is not that of a mistake when nobody reads any more: ps | head -1', () => {
    const folder = scratch()
    for (let index = 0; index < 300; index++) writeRecord(join(folder, `${'n'.repeat(200)}${index}.hold`), {})
    const script = '"$0" "$1" ps | head -1; echo "${PIPESTATUS[0]}"'
    const { stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, PROGRAM], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(stdout.split('\n').slice(1, 2)).toEqual(['0'])
    expect(stdout).toMatch(/^FILE/)
  })
})
