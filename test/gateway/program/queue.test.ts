// The transcript is the queue: a message is on disk before anybody is told so, and what stands there is answered once, in
// order, by whoever is there.
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { acquire, inspect } from 'holdfast'
import { openTranscript } from 'holdfast/session'
import { describe, expect, onTestFinished, test } from 'vitest'

import { acknowledging } from '../../../examples/gateway/src/ledger/acknowledged.js'
import { Ledger } from '../../../examples/gateway/src/ledger/ledger.js'
import { run } from '../../../examples/gateway/src/commands.js'
import { GatewayClosedError } from '../../../examples/gateway/src/gateway.js'
import type { Line } from '../../../examples/gateway/src/lines.js'
import { storeOf, transcriptOf, turnOf } from '../../../examples/gateway/src/places.js'
import { openFiles } from '../../../examples/gateway/src/session-files.js'
import { mustStayBlocked } from '../../helpers/must-stay-blocked.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { gatewayHere, say } from './here.js'
import { Gate, Model, never } from './model.js'
import { answer, answered, answersOf, linesOf, message, messagesOf, storeIn, write } from './stand.js'

function keysOf(count: number, name = 'm'): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`)
}

describe('a message', () => {
  test('is not accepted before it stands in the transcript', async () => {
    const here = await gatewayHere({ model: new Model(never) })
    await say(here, 'a', 'first') // the session is there now
    const writer = await acquire(transcriptOf(here.folder, 'a'))
    const accepted = say(here, 'a', 'second')
    await mustStayBlocked(accepted)
    expect(messagesOf(here.folder, 'a')).toEqual(['first'])
    writer.release()
    await accepted
    expect(messagesOf(here.folder, 'a')).toEqual(['first', 'second'])
  })

  test('that is sent again with its id stands there once and is answered once, also at once and after a restart', async () => {
    const here = await gatewayHere()
    await Promise.all(keysOf(20).map(() => say(here, 'a', 'once')))
    await answered(here.folder, 'a', 'once')
    await say(here, 'a', 'once')
    await here.gateway.close(new Error('restart'))

    const again = await gatewayHere({ folder: here.folder })
    await Promise.all(keysOf(20).map(() => say(again, 'a', 'once')))
    await say(again, 'a', 'last')
    await answered(here.folder, 'a', 'last')
    expect(messagesOf(here.folder, 'a')).toEqual(['once', 'last'])
    expect(answersOf(here.folder, 'a')).toEqual(['once', 'last'])
  })

  test('that only a summary tells of is not written again', async () => {
    const folder = scratch()
    const summary: Line = {
      ...{ type: 'summary', key: 'summary', at: 4, by: 'somebody', text: 'so far', keys: ['old', 'answer-old'] },
      ...{ messages: ['old'], answers: ['old'], reports: [] },
    }
    write(folder, 'a', [summary])
    const here = await gatewayHere({ folder })
    await say(here, 'a', 'old')
    await say(here, 'a', 'new')
    await answered(folder, 'a', 'new')
    expect([messagesOf(folder, 'a'), answersOf(folder, 'a')]).toEqual([['new'], ['new']])
  })

  test('that stands there twice, for two processes wrote it, is answered once', async () => {
    const folder = scratch()
    write(folder, 'a', [message('a'), message('b'), message('a'), answer('a'), message('a'), message('c')])
    const { model } = await gatewayHere({ folder })
    await answered(folder, 'a', 'c')
    expect(answersOf(folder, 'a')).toEqual(['a', 'b', 'c'])
    expect(model.times('says a')).toBe(0)
  })

  test('that could not be written is refused, and can be sent again with its id', async () => {
    const folder = scratch()
    const files = await openFiles(folder)
    let broken = true
    const here = await gatewayHere({
      folder,
      files: {
        ...{ sessions: () => files.sessions(), update: (change) => files.update(change), close: () => files.close() },
        browser: (lane) => files.browser(lane),
        async open(session) {
          const opened = await files.open(session)
          const append = opened.append.bind(opened)
          opened.append = (line) => (broken ? Promise.reject(new Error('no space')) : append(line))
          return opened
        },
      },
    })
    await expect(say(here, 'a', 'a')).rejects.toThrow('no space')
    broken = false
    await say(here, 'a', 'a')
    await answered(folder, 'a', 'a')
    expect(messagesOf(folder, 'a')).toEqual(['a'])
  })

  test('to a gateway that ends is refused as such, for every session, and nothing is written', async () => {
    const here = await gatewayHere()
    await say(here, 'a', 'a')
    await answered(here.folder, 'a', 'a')
    const closed = here.gateway.close(new Error('the end'))
    const late = await Promise.allSettled([say(here, 'a', 'late'), say(here, 'b', 'late')])
    await closed
    late.push(...(await Promise.allSettled([say(here, 'a', 'later'), say(here, 'b', 'later')])))
    for (const one of late) expect(one).toMatchObject({ reason: expect.any(GatewayClosedError) as GatewayClosedError })
    expect([messagesOf(here.folder, 'a'), messagesOf(here.folder, 'b')]).toEqual([['a'], []])
  })

  test('whose gateway ends in that moment is accepted and stands there, or is refused and does not', async () => {
    const here = await gatewayHere({ model: new Model(never) })
    await say(here, 'a', 'first')
    const keys = keysOf(10)
    const saying = [...keys.map((key) => say(here, 'a', key)), say(here, 'b', 'b')]
    const closed = here.gateway.close(new Error('the end'))
    const accepted = (await Promise.allSettled(saying)).map(({ status }) => status === 'fulfilled')
    await closed
    const there = [...messagesOf(here.folder, 'a'), ...messagesOf(here.folder, 'b')]
    expect(there).toEqual(['first', ...[...keys, 'b'].filter((_, index) => accepted[index])])
    expect(accepted.slice(0, 10)).toEqual(keys.map(() => true))
  })
})

describe('messages for a busy session', () => {
  test('are accepted at once, wait in the file, and are answered in order, one run at a time', async () => {
    const gate = new Gate()
    let [now, most] = [0, 0]
    const model = new Model(async () => {
      most = Math.max(most, ++now)
      await gate.opened
      now--
      return {}
    })
    const here = await gatewayHere({ model })
    const keys = keysOf(30)
    await Promise.all(keys.map((key) => say(here, 'a', key)))
    await model.asked('says m0')
    expect([messagesOf(here.folder, 'a'), answersOf(here.folder, 'a')]).toEqual([keys, []])
    expect(here.gateway.state.sessions).toMatchObject([{ id: 'a', unanswered: 30, answered: 0 }])
    gate.open()
    await answered(here.folder, 'a', ...keys)
    expect([answersOf(here.folder, 'a'), most]).toEqual([keys, 1])
  })

  test('the transcript is free while the model thinks: others write it meanwhile', async () => {
    const here = await gatewayHere({ model: new Model(never) })
    await say(here, 'a', 'a')
    await here.model.asked('says a')
    expect(inspect(turnOf(here.folder, 'a', 'main')).state).toBe('held')
    expect(inspect(transcriptOf(here.folder, 'a')).state).not.toBe('held')
    await using other = await openTranscript(transcriptOf(here.folder, 'a'))
    await other.append(message('b'), { timeout: 10_000 })
    expect(messagesOf(here.folder, 'a')).toEqual(['a', 'b'])
  })

  test('with five main lanes busy, those of a sixth session wait for a lane, and none is dropped', async () => {
    const gates = new Map(keysOf(5, 's').map((session) => [session, new Gate()]))
    const model = new Model(async ({ session }) => {
      await gates.get(session)?.opened
      return {}
    })
    const here = await gatewayHere({ model })
    for (const session of gates.keys()) await say(here, session, `${session}-0`)
    await until('five lanes are busy', () => here.gateway.state.lanes.main.busy === 5)
    const sixth = keysOf(3)
    for (const key of sixth) await say(here, 'sixth', key)
    await until('one waits for a lane', () => here.gateway.state.lanes.main.waiting === 1)
    expect([model.times('says m0'), messagesOf(here.folder, 'sixth')]).toEqual([0, sixth])
    gates.get('s3')?.open()
    await answered(here.folder, 'sixth', ...sixth)
    expect(answersOf(here.folder, 'sixth')).toEqual(sixth)
    for (const gate of gates.values()) gate.open()
    for (const session of gates.keys()) await answered(here.folder, session, `${session}-0`)
  })
})

describe('whoever is there', () => {
  test('two gateways on one folder answer each message once and in order, whichever of them it was sent to', async () => {
    const folder = scratch()
    const logs = keysOf(2, join(folder, 'promises-'))
    const model = new Model(({ text }) => ({ agents: text.endsWith('0') ? 2 : 0 }))
    const open = async (log: string) =>
      gatewayHere({ folder, model, files: acknowledging(await openFiles(folder), log) })
    const both = await Promise.all(logs.map(open))
    const sent = ['a', 'b', 'c'].flatMap((session) =>
      keysOf(12, session).map((key) => ({ session, key, at: Date.now(), acknowledged: true })),
    )
    const sending = sent.map(async ({ session, key }, index) => {
      const here = both[index % 2]
      if (here !== undefined) await say(here, session, key)
    })
    await Promise.all(sending)
    await until('everything is there', () => new Ledger({ folder, logs, sent }).ok)
    expect(new Ledger({ folder, logs, sent }).totals).toMatchObject({
      messages: { sent: 36, answered: 36, lost: 0 },
      answers: { doubled: 0, disordered: 0 },
    })
    for (const { key } of sent) expect(model.times(`says ${key}`)).toBe(1)
  })

  test('a gateway and a command line that asks answer each message once and in order', async () => {
    const here = await gatewayHere()
    const { folder, model } = here
    const files = await openFiles(folder)
    onTestFinished(() => files.close())
    const keys: string[] = []
    const ask = async (text: string) => keys.push(await run(['ask', 'a', text], { folder, files, provider: model }))
    const say10 = keysOf(10).map((key) => say(here, 'a', key))
    await Promise.all([...say10, ...keysOf(5, 'asked ').map(ask)])
    await answered(folder, 'a', ...keysOf(10), ...keys)
    expect(answersOf(folder, 'a')).toEqual(messagesOf(folder, 'a'))
    expect(answersOf(folder, 'a')).toHaveLength(15)
  })

  test('what other processes write, also to a session that it has never seen, a gateway answers', async () => {
    const { folder } = await gatewayHere()
    await using other = await openTranscript(transcriptOf(folder, 'new'))
    await other.append(message('a'))
    await answered(folder, 'new', 'a')
    await other.append(message('b'))
    await answered(folder, 'new', 'b')
  })

  test('what is left unanswered, in every session, the next gateway answers without being asked', async () => {
    const folder = scratch()
    write(folder, 'a', [message('a0'), answer('a0'), message('a1'), message('a2')])
    write(folder, 'b', [message('b0')])
    const { model } = await gatewayHere({ folder })
    await answered(folder, 'a', 'a1', 'a2')
    await answered(folder, 'b', 'b0')
    expect([answersOf(folder, 'a'), model.times('says a0')]).toEqual([['a0', 'a1', 'a2'], 0])
  })

  test('other files of the folder are no sessions', async () => {
    const folder = scratch()
    for (const name of ['Upper.jsonl', 'a.jsonl.torn-1', '.jsonl', '..jsonl', 'a.txt', '-a.jsonl']) {
      appendFileSync(join(folder, name), `${JSON.stringify(message('a'))}\n`)
    }
    const here = await gatewayHere({ folder })
    await say(here, 'b', 'b')
    await answered(folder, 'b', 'b')
    appendFileSync(join(folder, 'Later.jsonl'), `${JSON.stringify(message('a'))}\n`)
    await say(here, 'b', 'c')
    await answered(folder, 'b', 'c')
    expect(here.gateway.state.sessions.map(({ id }) => id)).toEqual(['b'])
  })

  test('a transcript that is replaced by hand is read anew: what is unanswered there is answered', async () => {
    const here = await gatewayHere()
    await say(here, 'a', 'a')
    await answered(here.folder, 'a', 'a')
    const path = transcriptOf(here.folder, 'a')
    await using other = await openTranscript(path)
    const all = other.read()
    for await (const line of all) expect(line.kind).toBe('value')
    await other.compact([message('x'), answer('x'), message('y')], { expect: all.version })
    await answered(here.folder, 'a', 'y')
    expect(answersOf(here.folder, 'a')).toEqual(['x', 'y'])
    const counts = () => here.gateway.state.sessions.map(({ answered, unanswered }) => [answered, unanswered])
    await until('it is counted anew', () => JSON.stringify(counts()) === '[[2,0]]')
  })
})

describe('nothing on disk blocks a start', () => {
  test('a session that cannot be opened is told of, and the others are answered', async () => {
    const folder = scratch()
    write(folder, 'b', [message('b')])
    mkdirSync(transcriptOf(folder, 'a'))
    const here = await gatewayHere({ folder })
    await answered(folder, 'b', 'b')
    expect(here.logged).toContainEqual({
      event: 'session not opened',
      details: expect.objectContaining({ session: 'a' }) as object,
    })
  })

  test('a damaged line of a transcript is passed over, and stays', async () => {
    const folder = scratch()
    write(folder, 'a', [message('a')])
    appendFileSync(transcriptOf(folder, 'a'), `{"type":"mess\n${JSON.stringify(message('b'))}\n`)
    await gatewayHere({ folder })
    const text = () => readFileSync(transcriptOf(folder, 'a'), 'utf8')
    await until('both are answered', () => text().includes('to says a') && text().includes('to says b'))
    expect(text()).toContain('\n{"type":"mess\n')
  })

  test.each([
    'null',
    '[]',
    '"text"',
    '{}',
    '{"type":"summary"}',
    '{"key":"k","at":1,"by":"b","type":"answer","to":"a","text":"x","agents":1e9}',
  ])('a line that is JSON and no line of ours is passed over: %s', async (line) => {
    const folder = scratch()
    write(folder, 'a', [message('a')])
    appendFileSync(transcriptOf(folder, 'a'), `${line}\n${JSON.stringify(message('b'))}\n`)
    await gatewayHere({ folder })
    const text = () => readFileSync(transcriptOf(folder, 'a'), 'utf8')
    await until('both are answered', () => text().includes('to says a') && text().includes('to says b'))
    expect(text()).toContain(`\n${line}\n`)
  })

  test.each(['', '{"sessions":', '[]', '{}', '{"sessions":{},"writers":null}'])(
    'a store with %j in it is put aside, and begins anew',
    async (text) => {
      const folder = scratch()
      writeFileSync(storeOf(folder), text)
      const here = await gatewayHere({ folder })
      await say(here, 'a', 'a')
      await until('it is counted', () => storeIn(folder).sessions['a']?.answered === 1)
      const aside = readdirSync(folder).filter((name) => name.startsWith('sessions.json.corrupt-'))
      expect(aside.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual([text])
    },
  )
})

describe('the store', () => {
  test('learns of what others have answered, and of what was answered before the gateway began', async () => {
    const folder = scratch()
    write(folder, 'a', [message('a'), answer('a')])
    await gatewayHere({ folder })
    await until('it is counted', () => storeIn(folder).sessions['a']?.answered === 1)
    const others = [message('b'), answer('b')].map((line) => `${JSON.stringify(line)}\n`)
    appendFileSync(transcriptOf(folder, 'a'), others.join(''))
    await until('both are counted', () => storeIn(folder).sessions['a']?.answered === 2)
  })

  test('that somebody keeps delays no answer, and ends with the last number when it is free; nor does it keep a gateway from ending', async () => {
    const here = await gatewayHere()
    const kept = await acquire(storeOf(here.folder))
    for (const key of ['a', 'b', 'c']) await say(here, 'a', key)
    await answered(here.folder, 'a', 'a', 'b', 'c')
    expect(kept.held).toBe(true)
    kept.release()
    await until('it is counted', () => storeIn(here.folder).sessions['a']?.answered === 3)

    const again = await acquire(storeOf(here.folder))
    await say(here, 'a', 'd')
    await answered(here.folder, 'a', 'd')
    await here.gateway.close(new Error('enough')) // with what waits for the store
    expect(again.held).toBe(true)
  })

  test('says how many messages of a session were answered, also when the gateway ends in the middle of a run', async () => {
    const model = new Model(({ text }) => (text === 'says stuck' ? never() : {}))
    const here = await gatewayHere({ model })
    for (const key of keysOf(3)) await say(here, 'a', key)
    await answered(here.folder, 'a', 'm2')
    await until('it is counted', () => storeIn(here.folder).sessions['a']?.answered === 3)
    await say(here, 'a', 'stuck')
    await model.asked('says stuck')
    await here.gateway.close(new Error('the end'))
    expect(answersOf(here.folder, 'a')).toEqual(keysOf(3))
    expect(storeIn(here.folder).sessions).toEqual({ a: { answered: 3 } })
    expect(linesOf(here.folder, 'a').filter((line) => line.type === 'answer')).toHaveLength(3)
  })
})
