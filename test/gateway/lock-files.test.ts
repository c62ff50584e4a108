// The gateway's files on lock files do what they can do well, and for the rest do what the five incidents tell of them.
// Time is turned by hand: a wait of minutes is over at once.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Owner } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'

import { acknowledging } from '../../examples/gateway/src/ledger/acknowledged.js'
import { Ledger } from '../../examples/gateway/src/ledger/ledger.js'
import type { Files, SessionFiles, Store } from '../../examples/gateway/src/files.js'
import type { Lane } from '../../examples/gateway/src/lanes.js'
import type { Line, Message } from '../../examples/gateway/src/lines.js'
import { openLockFileFiles, type GatewayRules } from '../../examples/gateway/src/lock-files/lock-file-files.js'
import { REPORTED, scaledTo, type Incident } from '../../examples/gateway/src/lock-files/rules.js'
import { MINUTE, SECOND, TurnedTime } from '../incidents/turned-time.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = new URL('../../examples/lock-files/lock-files.mjs', import.meta.url).href

function message(key: string): Message {
  return { type: 'message', key, at: 1, by: 'somebody', text: `says ${key}` }
}

function lane(signal: AbortSignal = new AbortController().signal): Lane {
  return { label: 'main a', owner: new Owner('main a'), signal }
}

/** The rules of an incident, with times as reported. Each call is a process of its own: it shares nothing but the folder. */
function process(folder: string, incident: Incident, time: TurnedTime): Promise<Files> {
  return openLockFileFiles(folder, { ...REPORTED[incident], time })
}

async function session(folder: string, incident: Incident, time: TurnedTime): Promise<SessionFiles> {
  return (await process(folder, incident, time)).open('a')
}

/** What becomes of a message now: 'written', or why not. */
function outcome(files: SessionFiles, key: string): Promise<string> {
  return files.append(message(key)).then(
    () => 'written',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

/** A process takes the session's lock, and is killed while it has it. */
async function killedHolder(folder: string): Promise<number> {
  const script = `
    import { LockFiles } from ${JSON.stringify(PROGRAM)}
    await new LockFiles({ timeout: 0, staleAge: 0 }).acquire(${JSON.stringify(join(folder, 'a.jsonl'))})
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  const child = spawn(globalThis.process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  return child.pid ?? -1
}

describe('what lock files do well', () => {
  test('a message waits for the end of a run, which writes in between, and readers see both in order', async () => {
    const folder = scratch()
    const run = await (await session(folder, 'I-1', new TurnedTime())).turn('main', lane())
    // Time that passes ends the run: the wait is what is tested, not its length.
    const time = new TurnedTime()
    const sleep = time.sleep.bind(time)
    let waited = 0
    time.sleep = async (milliseconds) => {
      if (++waited === 3) await run.append(message('of the run')).then(() => run.end())
      await sleep(milliseconds)
    }
    const files = await session(folder, 'I-1', time)
    await files.append(message('of a client'))
    expect(waited).toBe(3)
    expect((await files.read()).map(({ key }) => key)).toEqual(['of the run', 'of a client'])
    expect(readdirSync(folder)).toEqual(['a.jsonl'])
  })

  test('sub-agents and the main run exclude each other, by one lock', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const files = await session(folder, 'I-1', time)
    const turn = await files.turn('agent-1', lane())
    await expect(files.turn('main', lane())).rejects.toThrow('session file locked (timeout 10000ms)')
    turn.end()
    const main = await files.turn('main', lane())
    expect(main.recoveredFrom).toBeNull()
    expect(files.cutOff()).toBeNull()
    main.end()
  })

  test('nobody is handed the lock after the end of his lane, and the lock is free', async () => {
    const folder = scratch()
    const files = await session(folder, 'I-1', new TurnedTime())
    const over = new Error('over')
    await expect(files.turn('main', lane(AbortSignal.abort(over)))).rejects.toBe(over)
    await expect(files.append(message('late'), AbortSignal.abort(over))).rejects.toBe(over)

    const during = new AbortController()
    const turning = files.turn('main', lane(during.signal))
    during.abort(over)
    await expect(turning).rejects.toBe(over)
    expect(await outcome(files, 'next')).toBe('written')
  })

  test('a run that is over writes no more', async () => {
    const ending = new AbortController()
    const files = await session(scratch(), 'I-1', new TurnedTime())
    const turn = await files.turn('main', lane(ending.signal))
    const over = new Error('over')
    ending.abort(over)
    await expect(turn.append(message('late'))).rejects.toBe(over)
    expect(await files.read()).toEqual([])
  })

  test('a compaction holds the lock while it shortens, and replaces the file', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const files = await session(folder, 'I-1', time)
    for (const key of ['1', '2', '3']) await files.append(message(key))
    const elsewhere = await session(folder, 'I-1', time)
    const outcomes: string[] = []
    await files.compact(async (lines) => {
      outcomes.push(await outcome(elsewhere, 'during'))
      return lines.slice(-1)
    })
    expect(outcomes).toEqual([expect.stringContaining('session file locked')])
    expect((await files.read()).map(({ key }) => key)).toEqual(['3'])
    expect(await outcome(elsewhere, 'after')).toBe('written')
    await files.compact(() => Promise.resolve(null))
    expect((await files.read()).map(({ key }) => key)).toEqual(['3', 'after'])
    expect(readdirSync(folder)).toEqual(['a.jsonl'])
  })

  test('a compaction that fails leaves the file, and the lock free', async () => {
    const files = await session(scratch(), 'I-1', new TurnedTime())
    await files.append(message('1'))
    await expect(files.compact(() => Promise.reject(new Error('no summary')))).rejects.toThrow('no summary')
    expect(await outcome(files, '2')).toBe('written')
    expect((await files.read()).map(({ key }) => key)).toEqual(['1', '2'])
  })

  test('the browser is given to one lane at a time, and given back by the result', async () => {
    const files = await process(scratch(), 'I-1', new TurnedTime())
    const giveBack = await files.browser(lane())
    await expect(files.browser(lane())).rejects.toThrow('session file locked')
    giveBack()
    const again = await files.browser(lane())
    again()
  })

  test('sessions are those that have a transcript; what cannot be read of it is passed over', async () => {
    const folder = scratch()
    const files = await process(folder, 'I-1', new TurnedTime())
    const a = await files.open('a')
    expect(await a.read()).toEqual([])
    await a.append(message('1'))
    writeFileSync(join(folder, 'b.jsonl'), '{"half\n')
    for (const other of ['a.jsonl.lock', 'sessions.json', 'a.jsonl.4711.tmp']) writeFileSync(join(folder, other), '')
    expect((await files.sessions()).sort()).toEqual(['a', 'b'])
    expect(await (await files.open('b')).read()).toEqual([])
  })

  test('updates of one process are all in the store', async () => {
    const folder = scratch()
    const files = await process(folder, 'I-1', new TurnedTime())
    const count = (store: Store) => void (store.writers.me = (store.writers.me ?? 0) + 1)
    await Promise.all(Array.from({ length: 20 }, () => files.update(count)))
    const refused = files.update(() => {
      throw new Error('no')
    })
    await expect(refused).rejects.toThrow('no')
    await files.update(count)
    expect(JSON.parse(readFileSync(join(folder, 'sessions.json'), 'utf8'))).toEqual({
      sessions: {},
      writers: { me: 21 },
    })
  })
})

describe('whoever follows a transcript', () => {
  /** What comes next: the key of a line, or `null`. */
  function follower(files: SessionFiles): () => Promise<string | null> {
    const ending = new AbortController()
    const lines = files.follow(ending.signal)[Symbol.asyncIterator]()
    onTestFinished(async () => {
      ending.abort()
      await lines.return?.()
    })
    return async () => {
      const { value } = (await lines.next()) as IteratorResult<Line | null, null>
      return value === null ? null : value.key
    }
  }

  test('sees all lines, and those that anybody adds later, of a file that need not be there yet', async () => {
    const folder = scratch()
    const files = await session(folder, 'I-1', new TurnedTime())
    const next = follower(files)
    const first = next()
    const elsewhere = await session(folder, 'I-1', new TurnedTime())
    await elsewhere.append(message('1'))
    await elsewhere.append(message('2'))
    expect([await first, await next()]).toEqual(['1', '2'])
    await elsewhere.append(message('3'))
    expect(await next()).toBe('3')
  })

  test('sees whole lines only', async () => {
    const folder = scratch()
    const next = follower(await session(folder, 'I-1', new TurnedTime()))
    const line = JSON.stringify(message('ö'))
    const bytes = Buffer.from(`${JSON.stringify(message('1'))}\n${line}\n`)
    // In the middle of a character, too.
    const cut = bytes.indexOf('ö') + 1
    writeFileSync(join(folder, 'a.jsonl'), bytes.subarray(0, cut))
    expect(await next()).toBe('1')
    const second = next()
    appendFileSync(join(folder, 'a.jsonl'), bytes.subarray(cut))
    expect(await second).toBe('ö')
  })

  test('sees all lines anew after a compaction, also of a file that is longer than the one before', async () => {
    const files = await session(scratch(), 'I-1', new TurnedTime())
    const next = follower(files)
    await files.append(message('1'))
    expect(await next()).toBe('1')
    await files.compact(() => Promise.resolve([message('short'), message('and more')]))
    expect([await next(), await next(), await next()]).toEqual([null, 'short', 'and more'])
  })

  test('sees all lines anew when the file has become shorter', async () => {
    const folder = scratch()
    const files = await session(folder, 'I-1', new TurnedTime())
    const next = follower(files)
    await files.append(message('1'))
    const { length } = readFileSync(join(folder, 'a.jsonl'))
    await files.append(message('2'))
    expect([await next(), await next()]).toEqual(['1', '2'])
    truncateSync(join(folder, 'a.jsonl'), length)
    expect([await next(), await next()]).toEqual([null, '1'])
  })

  test('goes on when the file is gone for a moment', async () => {
    const folder = scratch()
    const path = join(folder, 'a.jsonl')
    const files = await session(folder, 'I-1', new TurnedTime())
    const next = follower(files)
    await files.append(message('1'))
    expect(await next()).toBe('1')
    const second = next()
    renameSync(path, `${path}.aside`)
    renameSync(`${path}.aside`, path)
    await files.append(message('2'))
    expect(await second).toBe('2')
  })

  test('is ended by the signal, with its reason', async () => {
    const files = await session(scratch(), 'I-1', new TurnedTime())
    const ending = new AbortController()
    const next = files.follow(ending.signal)[Symbol.asyncIterator]().next()
    const over = new Error('over')
    ending.abort(over)
    await expect(next).rejects.toBe(over)
  })
})

describe('incident', () => {
  test('1: the lock file of a killed run blocks every message until it is stale', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const pid = await killedHolder(folder)
    const files = await session(folder, 'I-1', time)
    const outcomes = []
    for (const key of ['1', '2', '3', '4']) outcomes.push(await outcome(files, key))
    const locked = `session file locked (timeout 10000ms): pid=${pid} ${join(folder, 'a.jsonl.lock')}`
    // Three waits of 10 s for nothing; during the fourth the file is old enough.
    expect(outcomes).toEqual([locked, locked, locked, 'written'])
    expect((await files.read()).map(({ key }) => key)).toEqual(['4'])
  })

  test('2: a check of the process id helps against a killed run, and not against a turn that a living one never ends', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const files = await session(folder, 'I-2', time)
    await killedHolder(folder)
    expect(await outcome(files, 'at once')).toBe('written')

    await files.turn('main', lane())
    expect(await outcome(files, '1')).toContain('session file locked')
    await time.sleep(29 * MINUTE)
    expect(await outcome(files, '2')).toContain('session file locked')
    await time.sleep(MINUTE)
    expect(await outcome(files, '3')).toBe('written')
  })

  test('3: the end of its lane does not give the lock back, and what the run wrote into it outlives the waiters', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const ending = new AbortController()
    const turn = await (await session(folder, 'I-3', time)).turn('main', lane(ending.signal))
    ending.abort(new Error('the lane timed out'))
    const others = await session(folder, 'I-3', time)
    for (let minute = 0; minute < 16; minute++) expect(await outcome(others, 'message')).toContain('timeout 60000ms')
    await time.sleep(MINUTE)
    expect(await outcome(others, 'after 17 minutes')).toBe('written')

    // The lane that is over comes to its end at last, and frees what is another one's by now.
    const inside = await others.turn('main', lane())
    turn.end()
    expect(await outcome(await session(folder, 'I-3', time), 'intruder')).toBe('written')
    inside.end()
  })

  test.each([
    ['a turn was never ended', true],
    ['no turn is open', false],
  ])(
    '4: re-entrancy by path lets an append into a compaction, and an acknowledged line is lost, when %s',
    async (...when) => {
      const folder = scratch()
      const log = join(folder, 'promised.log')
      const a = await acknowledging(await process(folder, 'I-4', new TurnedTime()), log).open('a')
      await a.append(message('1'))
      const [, leaks] = when
      if (leaks) await a.turn('main', lane())
      await a.compact(async (lines) => {
        // The summary takes its time; a message comes meanwhile, is let in, and is acknowledged.
        await a.append(message('2'))
        return lines
      })
      const sent = ['1', '2'].map((key) => ({ session: 'a', key, at: 0, acknowledged: true }))
      const [account] = new Ledger({ folder, logs: [log], sent }).sessions
      expect(account?.lines.lost).toEqual(['2'])
      expect(account?.messages.gone).toEqual(['2'])
    },
  )

  test('4: without re-entrancy a turn that was never ended stops the compaction, and nothing is lost', async () => {
    const rules: GatewayRules = { ...REPORTED['I-4'], reentrant: false, time: new TurnedTime() }
    const a = await (await openLockFileFiles(scratch(), rules)).open('a')
    await a.append(message('1'))
    await a.turn('main', lane())
    await expect(a.compact(() => Promise.resolve([]))).rejects.toThrow('session file locked')
    expect((await a.read()).map(({ key }) => key)).toEqual(['1'])
  })

  test('4: the lock of a turn that was never ended is never free for others, and never if its process id is used again', async () => {
    const folder = scratch()
    const time = new TurnedTime()
    const leaking = await session(folder, 'I-4', time)
    await leaking.turn('main', lane())
    expect(await outcome(leaking, 'of its own process')).toBe('written')
    expect(existsSync(join(folder, 'a.jsonl.lock'))).toBe(true)
    const others = await session(folder, 'I-4', time)
    await time.sleep(24 * 60 * MINUTE)
    expect(await outcome(others, 'a day later')).toContain('session file locked')
  })

  test('5: runs that last fail whoever waits for longer than the wait, and nothing tells that it was busy', async () => {
    const time = new TurnedTime()
    const files = await session(scratch(), 'I-5', time)
    const turn = await files.turn('main', lane())
    const failure = await files.turn('agent-1', lane()).catch((error: unknown) => error)
    expect(String(failure)).toMatch(/^Error: session file locked \(timeout 10000ms\): pid=\d+/)
    expect(failure).not.toHaveProperty('code')
    turn.end()
  })

  test('an update of another process between the reading and the writing of the store is lost', async () => {
    const folder = scratch()
    const log = join(folder, 'promised.log')
    const time = new TurnedTime()
    const [one, two] = [await process(folder, 'I-5', time), await process(folder, 'I-5', time)]
    const [mine, theirs] = [acknowledging(one, log), acknowledging(two, log)]
    await theirs.update(() => {})
    const store = join(folder, 'sessions.json')
    const before = readFileSync(store)
    await theirs.update(() => {})
    // What the first has read is from before that, and it writes afterwards.
    const after = readFileSync(store)
    writeFileSync(store, before)
    await mine.update(() => {
      writeFileSync(store, after)
    })
    expect(new Ledger({ folder, logs: [log], sent: [] }).totals.updates).toEqual({ acknowledged: 3, lost: 1 })
  })
})

describe('in a small scale', () => {
  test('every wait is as long as was asked for, and all other times are in the same proportion to it', () => {
    const factors = Object.fromEntries(
      (['I-1', 'I-2', 'I-3', 'I-4', 'I-5'] as const).map((incident) => [incident, scaledTo(SECOND, incident).factor]),
    )
    expect(factors).toEqual({ 'I-1': 10, 'I-2': 10, 'I-3': 60, 'I-4': 10, 'I-5': 10 })
    expect(scaledTo(SECOND, 'I-1').rules).toEqual({ timeout: SECOND, staleAge: 3 * SECOND, poll: 10 })
    expect(scaledTo(SECOND, 'I-2').rules).toMatchObject({ timeout: SECOND, staleAge: 3 * MINUTE, checksPid: true })
    expect(scaledTo(SECOND, 'I-3').rules).toMatchObject({
      ...{ timeout: SECOND, staleAge: 30 * SECOND, maxHold: 17 * SECOND, checksPid: true },
    })
    expect(scaledTo(SECOND, 'I-4').rules).toMatchObject({ timeout: SECOND, staleAge: Infinity, reentrant: true })
    expect(scaledTo(SECOND, 'I-5').rules).not.toHaveProperty('maxHold')
    expect(scaledTo(500, 'I-1')).toMatchObject({ factor: 20, rules: { staleAge: 1.5 * SECOND } })
  })
})
