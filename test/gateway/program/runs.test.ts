// What becomes of a run that takes too long, fails, or was cut off; and of sub-agents and compactions beside it.
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { acquire, inspect, tryAcquire } from 'holdfast'
import { openTranscript } from 'holdfast/session'
import { describe, expect, test } from 'vitest'

import { openFiles } from '../../../examples/gateway/src/session-files.js'
import { browserOf, transcriptOf, turnOf } from '../../../examples/gateway/src/places.js'
import type { Use } from '../../../examples/gateway/src/tools.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { gatewayHere, say } from './here.js'
import { Gate, Model, never } from './model.js'
import { answer, answered, answersOf, linesOf, message, messagesOf, ofType, write } from './stand.js'

function isFree(path: string): boolean {
  const hold = tryAcquire(path)
  hold?.release()
  return hold !== null
}

/** Asks for the tool in its first run alone. */
function firstTime(tool: string): Model {
  const model: Model = new Model(({ text }) => ({ tools: model.times(text) === 1 ? [tool] : [] }))
  return model
}

const LANE = 300

describe('a lane’s time', () => {
  test('ends its turn and a lock that a tool took for it; the message is run again and answered, and so is the next', async () => {
    const folder = scratch()
    const lock = join(folder, 'tool')
    const model = firstTime('hang')
    const hang = async ({ lane, path }: Use): Promise<undefined> => {
      await acquire(lock, { owner: lane.owner })
      await acquire(path, { owner: lane.owner })
      return never()
    }
    const here = await gatewayHere({ folder, model, laneTimeout: LANE, tools: { hang } })
    await say(here, 'a', 'a')
    await until('the tool holds', () => inspect(lock).state === 'held')
    const next = say(here, 'a', 'b')
    await answered(folder, 'a', 'a', 'b')
    await next
    expect(answersOf(folder, 'a')).toEqual(['a', 'b'])
    expect([isFree(lock), model.times('says a')]).toEqual([true, 2])
    await until('the turn is free', () => inspect(turnOf(folder, 'a', 'main')).state === 'free')
    const [resumed] = ofType(linesOf(folder, 'a'), 'resumed')
    expect(resumed?.to).toBe('a')
    expect(resumed?.from).toContain('owner-closed')
    expect(here.logged).toContainEqual({
      event: 'run failed',
      details: {
        ...{ session: 'a', what: 'a', attempt: 1 },
        error: `LaneTimeoutError: lane=main a took longer than ${LANE} ms`,
      },
    })
  })

  test('ends what it waits for; that another process has the turn, however long, is no failure of the run', async () => {
    const folder = scratch()
    const other = await acquire(turnOf(folder, 'a', 'main'))
    const here = await gatewayHere({ folder, laneTimeout: 100 })
    await say(here, 'a', 'a')
    // Oftener than a run may fail.
    await until('lanes have ended', () => here.logged.filter(({ event }) => event === 'no turn').length > 4)
    expect(here.model.prompts).toEqual([])
    other.release()
    await answered(folder, 'a', 'a')
    expect(ofType(linesOf(folder, 'a'), 'answer').map(({ text }) => text)).toEqual([
      expect.not.stringContaining('No answer'),
    ])
  })

  test('frees the browser that a sub-agent had', async () => {
    const browse = new Gate()
    const model: Model = new Model(async ({ text }) => {
      if (text === 'browse 0' && model.times(text) === 1) await browse.opened
      return { agents: text === 'says a' ? 1 : 0 }
    })
    const here = await gatewayHere({ model, laneTimeout: LANE })
    await say(here, 'a', 'a')
    await model.asked('browse 0')
    expect(inspect(browserOf(here.folder)).state).toBe('held')
    await until('it is reported', () => ofType(linesOf(here.folder, 'a'), 'report').length === 1)
    browse.open()
    expect(isFree(browserOf(here.folder))).toBe(true)
    expect(ofType(linesOf(here.folder, 'a'), 'report')).toMatchObject([{ to: 'a', agent: 0, text: 'done' }])
  })

  test('leaves a zombie that can write nothing: neither a note nor its answer, however long it goes on', async () => {
    const wake = new Gate()
    const noted: Promise<void>[] = []
    const deaf = async ({ note }: Use): Promise<undefined> => {
      await wake.opened
      noted.push(note('a zombie wrote this'))
      await noted[0]
    }
    const late = new Gate()
    const model: Model = new Model(async ({ text }) => {
      if (text !== 'says slow' || model.times(text) > 1) return { tools: model.times('says a') === 1 ? ['deaf'] : [] }
      await late.opened
      return { text: 'a zombie answered this' }
    })
    const here = await gatewayHere({ model, laneTimeout: LANE, tools: { deaf } })
    await say(here, 'a', 'a')
    await say(here, 'a', 'slow')
    await answered(here.folder, 'a', 'a', 'slow')
    wake.open()
    late.open()
    await until('the zombie has tried', () => noted.length === 1)
    await expect(noted[0]).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' })
    await say(here, 'a', 'last')
    await answered(here.folder, 'a', 'last')
    expect(answersOf(here.folder, 'a')).toEqual(['a', 'slow', 'last'])
    expect(JSON.stringify(linesOf(here.folder, 'a'))).not.toContain('zombie')
  })

  test('passes while a session’s other lanes and other sessions go on', async () => {
    const model = new Model(({ session }) => (session === 'stuck' ? never() : {}))
    const here = await gatewayHere({ model, laneTimeout: 1_000_000 })
    await say(here, 'stuck', 'a')
    await model.asked('says a')
    await say(here, 'b', 'b')
    await answered(here.folder, 'b', 'b')
    expect(answersOf(here.folder, 'stuck')).toEqual([])
  })
})

describe('what a run holds', () => {
  test('a tool may lock the transcript with the lane’s owner, and write', async () => {
    const careful = async ({ lane, path, note }: Use): Promise<undefined> => {
      await acquire(path, { owner: lane.owner })
      await note('under the lock')
    }
    const here = await gatewayHere({ model: firstTime('careful'), tools: { careful }, laneTimeout: 1_000_000 })
    await say(here, 'a', 'a')
    await answered(here.folder, 'a', 'a')
    expect(here.logged).toEqual([])
    expect(ofType(linesOf(here.folder, 'a'), 'note').map(({ text }) => text)).toEqual(['under the lock'])
  })

  test('is lost with the file of its turn: a run writes nothing after somebody has deleted that, and is begun again', async () => {
    const gate = new Gate()
    const model: Model = new Model(async ({ text }) => {
      if (model.times(text) === 1) await gate.opened
      return {}
    })
    const here = await gatewayHere({ model })
    await say(here, 'a', 'a')
    await model.asked('says a')
    rmSync(`${turnOf(here.folder, 'a', 'main')}.hold`)
    gate.open()
    await answered(here.folder, 'a', 'a')
    expect(here.logged.map(({ event, details }) => [event, details['error']])).toEqual([
      ['run failed', expect.stringContaining('LockLostError')],
    ])
    expect([answersOf(here.folder, 'a'), model.times('says a')]).toEqual([['a'], 2])
  })

  test.each(['toString', 'constructor', '__proto__', 'unheard-of'])(
    'a tool named %s that is not there is told of, and no more',
    async (name) => {
      const here = await gatewayHere({ model: firstTime(name) })
      await say(here, 'a', 'a')
      await answered(here.folder, 'a', 'a')
      expect(here.logged).toEqual([])
      expect(ofType(linesOf(here.folder, 'a'), 'note').map(({ text }) => text)).toEqual([`There is no tool "${name}"`])
    },
  )
})

describe('a failure', () => {
  test('of the provider is tried again, and answered once it can be', async () => {
    const model: Model = new Model(({ text }) =>
      model.times(text) < 3 ? Promise.reject(new Error('network')) : Promise.resolve({}),
    )
    const here = await gatewayHere({ model })
    await say(here, 'a', 'a')
    await answered(here.folder, 'a', 'a')
    expect([model.times('says a'), ofType(linesOf(here.folder, 'a'), 'answer')[0]?.text]).toEqual([3, 'to says a'])
    expect(here.logged.map(({ details }) => details['attempt'])).toEqual([1, 2])
  })

  test('that stays becomes the answer after three attempts, in words; the next message is answered', async () => {
    const model = new Model(({ text }) => (text === 'says a' ? Promise.reject(new Error('network')) : {}))
    const here = await gatewayHere({ model })
    await say(here, 'a', 'a')
    await say(here, 'a', 'b')
    await answered(here.folder, 'a', 'a', 'b')
    const [failure, next] = ofType(linesOf(here.folder, 'a'), 'answer')
    expect(failure).toMatchObject({ to: 'a', failed: true, text: 'No answer: Error: network', agents: 0 })
    expect(next).toMatchObject({ to: 'b', text: 'to says b' })
    expect(next).not.toHaveProperty('failed')
    expect(model.times('says a')).toBe(3)
  })

  test('to which another process finds the answer meanwhile is not written', async () => {
    const folder = scratch()
    await using other = await openTranscript(transcriptOf(folder, 'a'))
    const model: Model = new Model(async ({ text }) => {
      if (text !== 'says a') return {}
      if (model.times(text) === 3) await other.append(answer('a'))
      throw new Error('network')
    })
    const here = await gatewayHere({ folder, model })
    await say(here, 'a', 'a')
    await say(here, 'a', 'b')
    await answered(folder, 'a', 'b')
    expect(answersOf(folder, 'a')).toEqual(['a', 'b'])
  })

  test('of a sub-agent to which another process finds the report meanwhile is not written', async () => {
    const folder = scratch()
    const report = { type: 'report', key: 'report', to: 'a', agent: 0, text: 'done', at: 1, by: 'somebody' } as const
    await using other = await openTranscript(transcriptOf(folder, 'a'))
    const model: Model = new Model(async ({ text }) => {
      if (text !== 'exec 0') return { agents: text === 'says a' ? 1 : 0 }
      if (model.times(text) === 3) await other.append(report)
      throw new Error('network')
    })
    const files = await openFiles(folder)
    const open = files.open.bind(files)
    let runs = 0
    files.open = async (session) => {
      const opened = await open(session)
      const turn = opened.turn.bind(opened)
      opened.turn = async (name, lane) => {
        const held = await turn(name, lane)
        const end = (): void => {
          held.end()
          if (name === 'agent-0') runs++
        }
        return { recoveredFrom: held.recoveredFrom, append: (line) => held.append(line), end }
      }
      return opened
    }
    await say(await gatewayHere({ folder, model, files }), 'a', 'a')
    await until('the run that gives up is over', () => runs === 4)
    expect(ofType(linesOf(folder, 'a'), 'report')).toEqual([report])
  })

  test('of a lane that always takes too long becomes the answer too', async () => {
    const here = await gatewayHere({ model: new Model(never), laneTimeout: 50 })
    await say(here, 'a', 'a')
    await answered(here.folder, 'a', 'a')
    expect(ofType(linesOf(here.folder, 'a'), 'answer')).toMatchObject([{ to: 'a', failed: true }])
  })

  test('of a clean-up after the answer was written does not answer again, nor keep the turn', async () => {
    let [before, after] = [0, 0]
    const untidy = () =>
      Promise.resolve(async () => {
        before++
        await Promise.reject(new Error('the clean-up failed'))
        after++
      })
    const here = await gatewayHere({ model: new Model(() => ({ tools: ['untidy', 'unheard-of'] })), tools: { untidy } })
    await say(here, 'a', 'a')
    await say(here, 'a', 'b')
    await answered(here.folder, 'a', 'a', 'b')
    await until('both clean-ups have failed', () => before === 2)
    expect([answersOf(here.folder, 'a'), here.model.times('says a'), after]).toEqual([['a', 'b'], 1, 0])
  })

  test('of a sub-agent is tried again; one that stays becomes its report, in words', async () => {
    const model: Model = new Model(({ text }) => {
      if (text === 'exec 0' && model.times(text) < 2) return Promise.reject(new Error('network'))
      if (text === 'remember 1') return Promise.reject(new Error('no memory'))
      return { agents: text === 'says a' ? 2 : 0 }
    })
    const { folder, ...here } = await gatewayHere({ model })
    await say({ folder, ...here }, 'a', 'a')
    await until('both have reported', () => ofType(linesOf(folder, 'a'), 'report').length === 2)
    const reports = new Map(ofType(linesOf(folder, 'a'), 'report').map(({ agent, text }) => [agent, text]))
    expect([reports.get(0), reports.get(1)]).toEqual(['done', 'Not done: Error: no memory'])
    expect(model.times('remember 1')).toBe(3)
  })

  test('of the store is told, and does not keep messages waiting', async () => {
    const folder = scratch()
    const files = await openFiles(folder)
    files.update = () => Promise.reject(new Error('no space'))
    const here = await gatewayHere({ folder, files })
    for (const key of ['a', 'b']) await say(here, 'a', key)
    await answered(folder, 'a', 'a', 'b')
    await until('it is told', () => here.logged.some(({ event }) => event === 'store not updated'))
  })
})

describe('a run that was cut off', () => {
  test('right after its answer is not run again', async () => {
    const folder = scratch()
    write(folder, 'a', [message('a'), answer('a')])
    await acquire(turnOf(folder, 'a', 'main'), { maxHold: 1, keep: true })
    await until('the turn is revoked', () => inspect(turnOf(folder, 'a', 'main')).state === 'abandoned')
    const here = await gatewayHere({ folder })
    await say(here, 'a', 'b')
    await answered(folder, 'a', 'b')
    expect(here.model.prompts.map(({ text }) => text)).toEqual(['says b'])
    expect(here.logged.filter(({ event }) => event === 'run was cut off')).toHaveLength(1)
  })

  test('by the end of its gateway is told by the next one, and resumed once', async () => {
    const folder = scratch()
    const stuck = await gatewayHere({ folder, model: new Model(never) })
    await say(stuck, 'a', 'a')
    await stuck.model.asked('says a')
    await stuck.gateway.close(new Error('ended'))
    expect(linesOf(folder, 'a')).toHaveLength(1)

    const here = await gatewayHere({ folder })
    await answered(folder, 'a', 'a')
    await say(here, 'a', 'b')
    await answered(folder, 'a', 'b')
    expect(linesOf(folder, 'a').map(({ type }) => type)).toEqual(['message', 'resumed', 'answer', 'message', 'answer'])
    const from = ofType(linesOf(folder, 'a'), 'resumed')[0]?.from
    expect(from).toBe(`pid ${process.pid} lane=main a (owner-closed)`)
    expect(here.logged[0]).toEqual({ event: 'run was cut off', details: { session: 'a', from } })
  })
})

describe('sub-agents', () => {
  test('each report once, beside the next messages, and their browser is one at a time', async () => {
    let [now, most] = [0, 0]
    const gate = new Gate()
    const model: Model = new Model(async ({ text }) => {
      if (text.startsWith('exec')) await gate.opened
      if (text.startsWith('browse')) {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        now--
      }
      return { agents: text === 'says a' ? 5 : 0 }
    })
    const here = await gatewayHere({ model })
    await say(here, 'a', 'a')
    await say(here, 'a', 'b')
    await until('five sub-agents work', () => here.gateway.state.lanes.agents.busy === 5)
    await answered(here.folder, 'a', 'b')
    gate.open()
    await until('all have reported', () => ofType(linesOf(here.folder, 'a'), 'report').length === 5)
    await say(here, 'a', 'c')
    await answered(here.folder, 'a', 'c')
    const reports = ofType(linesOf(here.folder, 'a'), 'report')
    expect(reports.map(({ to, agent }) => `${to}/${agent}`).sort()).toEqual(['a/0', 'a/1', 'a/2', 'a/3', 'a/4'])
    expect(most).toBe(1)
  })

  test('that have not reported when their gateway ends work for the next one, and no others', async () => {
    const model = new Model(({ text }) => {
      if (text === 'exec 1') return never()
      return { agents: text === 'says a' ? 2 : 0 }
    })
    const first = await gatewayHere({ model })
    const { folder } = first
    await say(first, 'a', 'a')
    await until('one has reported', () => ofType(linesOf(folder, 'a'), 'report').length === 1)
    await model.asked('exec 1')
    await first.gateway.close(new Error('restart'))

    const next = await gatewayHere({ folder })
    await until('both have reported', () => ofType(linesOf(folder, 'a'), 'report').length === 2)
    expect(next.model.prompts.map(({ text }) => text)).toEqual(['exec 1', 'browse 1', 'remember 1'])
    await next.gateway.close(new Error('restart'))

    const last = await gatewayHere({ folder })
    await say(last, 'a', 'b')
    await answered(folder, 'a', 'b')
    expect(ofType(linesOf(folder, 'a'), 'report').map(({ agent }) => agent)).toEqual([0, 1])
    expect(last.model.prompts.map(({ text }) => text)).toEqual(['says b'])
  })
})

describe('a compaction', () => {
  const keys = Array.from({ length: 24 }, (_, index) => `m${index}`)

  test('beside runs loses nothing and keeps the order; summaries name every line that is gone', async () => {
    const model = new Model(({ text }) => ({ agents: text === 'says m3' || text === 'says m17' ? 2 : 0 }))
    const here = await gatewayHere({ model, compactEvery: 2, longAt: 8 })
    const { folder } = here
    const everSeen = new Set<string>()
    const look = () => {
      for (const { key } of linesOf(folder, 'a')) everSeen.add(key)
    }
    for (const key of keys) {
      await say(here, 'a', key)
      look()
    }
    const standing = () => {
      const summaries = ofType(linesOf(folder, 'a'), 'summary')
      const reports = ofType(linesOf(folder, 'a'), 'report').map(({ to, agent }) => `${to}/${agent}`)
      return {
        summaries,
        answers: [...summaries.flatMap(({ answers }) => answers), ...answersOf(folder, 'a')],
        reports: [...summaries.flatMap((summary) => summary.reports), ...reports].sort(),
        keys: [...summaries.flatMap((summary) => summary.keys), ...linesOf(folder, 'a').map(({ key }) => key)],
      }
    }
    await until('all are answered and reported', () => {
      look()
      const { answers, reports } = standing()
      return answers.length >= keys.length && reports.length >= 4
    })
    await until('it is short', () => {
      look()
      return answersOf(folder, 'a').length <= 5
    })
    const { summaries, answers, reports, keys: named } = standing()
    expect(summaries).toHaveLength(1)
    expect(answers).toEqual(keys)
    expect(reports).toEqual(['m17/0', 'm17/1', 'm3/0', 'm3/1'])
    expect([...everSeen].filter((key) => !named.includes(key))).toEqual([])
    expect(named).toHaveLength(new Set(named).size)
    for (const key of keys) expect(model.times(`says ${key}`)).toBe(1)
    expect(here.logged).toEqual([])
  })

  test('waits for its summary without a lock: messages that come meanwhile are answered, and stay', async () => {
    const gate = new Gate()
    const model = new Model(async ({ text }) => {
      if (text.startsWith('summary')) await gate.opened
      return {}
    })
    const folder = scratch()
    write(
      folder,
      'a',
      keys.flatMap((key) => [message(key), answer(key)]),
    )
    const here = await gatewayHere({ folder, model, compactEvery: 2, longAt: 8 })
    await model.asked('summary of 20 exchanges')
    await say(here, 'a', 'new')
    await answered(folder, 'a', 'new')
    expect(model.prompts.filter(({ text }) => text.startsWith('summary'))).toHaveLength(1)
    gate.open()
    await until('it is compacted', () => ofType(linesOf(folder, 'a'), 'summary').length > 0)
    expect(messagesOf(folder, 'a').at(-1)).toBe('new')
    expect(answersOf(folder, 'a').at(-1)).toBe('new')
    await say(here, 'a', 'new')
    await say(here, 'a', 'm0')
    await say(here, 'a', 'newer')
    await answered(folder, 'a', 'newer')
    expect(messagesOf(folder, 'a').filter((key) => key.startsWith('new') || key === 'm0')).toEqual(['new', 'newer'])
  })

  test('of a transcript that is not long is not made', async () => {
    const folder = scratch()
    write(
      folder,
      'a',
      keys.slice(0, 10).flatMap((key) => [message(`a-${key}`), answer(`a-${key}`)]),
    )
    write(
      folder,
      'b',
      keys.flatMap((key) => [message(`b-${key}`), answer(`b-${key}`)]),
    )
    const here = await gatewayHere({ folder, compactEvery: 2, longAt: 21 })
    // The second compaction of the other one belongs to a later round, so this one had its turn between the two.
    const compacted = async (before: string | undefined) => {
      const now = () => ofType(linesOf(folder, 'b'), 'summary')[0]?.key
      await until('the long one is compacted', () => now() !== undefined && now() !== before)
      return now()
    }
    const first = await compacted(undefined)
    for (const key of keys) await say(here, 'b', key)
    await compacted(first)
    expect(linesOf(folder, 'a')).toHaveLength(20)
  })

  test('of a transcript with a damaged line is not made: somebody is to see it', async () => {
    const folder = scratch()
    write(
      folder,
      'a',
      keys.flatMap((key) => [message(key), answer(key)]),
    )
    const path = transcriptOf(folder, 'a')
    appendFileSync(path, 'no JSON\n')
    write(
      folder,
      'b',
      keys.flatMap((key) => [message(`b-${key}`), answer(`b-${key}`)]),
    )
    const before = readFileSync(path, 'utf8')
    const { model } = await gatewayHere({ folder, compactEvery: 2, longAt: 8 })
    await until('the other one is compacted', () => ofType(linesOf(folder, 'b'), 'summary').length > 0)
    expect(readFileSync(path, 'utf8')).toBe(before)
    expect(model.prompts.map(({ session }) => session)).not.toContain('a')
  })

  test('that fails is told, and another one is made later', async () => {
    let failures = 2
    const model = new Model(({ text }) =>
      text.startsWith('summary') && failures-- > 0 ? Promise.reject(new Error('network')) : {},
    )
    const folder = scratch()
    write(
      folder,
      'a',
      keys.flatMap((key) => [message(key), answer(key)]),
    )
    const here = await gatewayHere({ folder, model, compactEvery: 2, longAt: 8 })
    await until('it is compacted', () => ofType(linesOf(folder, 'a'), 'summary').length > 0)
    expect(here.logged.map(({ event }) => event)).toEqual(['not compacted', 'not compacted'])
  })
})
