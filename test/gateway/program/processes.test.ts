// Several processes on one folder: the gateway, command lines and a job. What any of them writes is answered once, in order,
// by whoever is there.
import { readdirSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { Ledger } from '../../../examples/gateway/src/ledger/ledger.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { Gate, Model } from './model.js'
import { cli, main, post, Program } from './programs.js'
import { answered, answersOf, linesOf, messagesOf, ofType, storeIn } from './stand.js'

describe('a running gateway answers', () => {
  test('what the command line leaves, also in a session that it has never seen, and does not tell its name twice', async () => {
    const folder = scratch()
    const gateway = main(folder)
    await gateway.url()
    const sent = await cli(folder, 'send', 'new', 'from the command line')
    expect(sent).toMatchObject({ code: 0, err: [] })
    await answered(folder, 'new', ...sent.out)
    const again = await cli(folder, 'send', 'new', 'once more')
    await answered(folder, 'new', ...again.out)
    expect(answersOf(folder, 'new')).toEqual([...sent.out, ...again.out])
    expect(ofType(linesOf(folder, 'new'), 'answer').every(({ by }) => by.startsWith(`${gateway.pid} `))).toBe(true)
  })

  test('what a job leaves, in each of its sessions in turn, until the job is ended', async () => {
    const folder = scratch()
    await main(folder).url()
    const job = Program.start('cron', '--folder', folder, '--every', '5', 'a', 'b')
    await until(
      'both sessions are answered',
      () => answersOf(folder, 'a').length > 2 && answersOf(folder, 'b').length > 2,
    )
    expect(await job.end('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(job.err).toEqual([])
    const texts = (session: string) => ofType(linesOf(folder, session), 'message').map(({ text }) => text)
    expect(texts('a').slice(0, 3)).toEqual(['tick 0', 'tick 2', 'tick 4'])
    expect(texts('b').slice(0, 3)).toEqual(['tick 1', 'tick 3', 'tick 5'])
    for (const session of ['a', 'b']) {
      await answered(folder, session, ...messagesOf(folder, session))
      expect(answersOf(folder, session)).toEqual(messagesOf(folder, session))
    }
    await until('the store has both', () => storeIn(folder).sessions['b']?.answered === messagesOf(folder, 'b').length)
  })
})

describe('without a gateway', () => {
  test('what command line and job leave waits for the next one, which answers it in order', async () => {
    const folder = scratch()
    const job = Program.start('cron', '--folder', folder, '--every', '5', 'a', 'b')
    await until(
      'the job has written',
      () => readdirSync(folder).includes('b.jsonl') && messagesOf(folder, 'b').length > 0,
    )
    await job.end('SIGTERM')
    await Promise.all([cli(folder, 'send', 'a', 'x'), cli(folder, 'send', 'a', 'y'), cli(folder, 'send', 'c', 'z')])
    const before = ['a', 'b', 'c'].map((session) => messagesOf(folder, session))
    expect(['a', 'b', 'c'].flatMap((session) => answersOf(folder, session))).toEqual([])
    await main(folder).url()
    for (const [index, session] of ['a', 'b', 'c'].entries()) {
      await answered(folder, session, ...(before[index] ?? []))
      expect(answersOf(folder, session)).toEqual(before[index])
    }
  })

  test('the command line that asks answers by itself what came before, and then its own', async () => {
    const folder = scratch()
    await cli(folder, 'send', 'a', 'first')
    await cli(folder, 'send', 'a', 'second')
    const asked = await cli(folder, 'ask', 'a', 'third')
    expect(asked.code).toBe(0)
    expect(messagesOf(folder, 'a').at(-1)).toBe(asked.out[0])
    expect(answersOf(folder, 'a')).toEqual(messagesOf(folder, 'a'))
    expect(ofType(linesOf(folder, 'a'), 'answer').map(({ text }) => text)).toEqual([
      'After 3 lines you said: first',
      'After 4 lines you said: second',
      'After 5 lines you said: third',
    ])
  })

  test('sub-agents that its answer asks for are left to the next gateway, which has them report once', async () => {
    const folder = scratch()
    const model = new Model(({ text }) => ({ agents: text === 'many hands' ? 2 : 0 }))
    const url = await model.listen()
    await cli(folder, '--provider', url, 'ask', 'a', 'many hands')
    expect(ofType(linesOf(folder, 'a'), 'report')).toEqual([])
    await main(folder, '--provider', url).url()
    await until('both report', () => ofType(linesOf(folder, 'a'), 'report').length >= 2)
    await cli(folder, '--provider', url, 'ask', 'a', 'done?')
    expect(
      ofType(linesOf(folder, 'a'), 'report')
        .map(({ agent }) => agent)
        .sort(),
    ).toEqual([0, 1])
  })
})

describe('a gateway and command lines that ask', () => {
  test('never answer one message twice, and their answers stay in order', async () => {
    const folder = scratch()
    const model = new Model(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return {}
    })
    const provider = await model.listen()
    const url = await main(folder, '--provider', provider).url()
    const asked = ['x', 'y', 'z'].map((text) => cli(folder, '--provider', provider, 'ask', 'a', text))
    const asking = new Set(asked)
    for (const one of asked) void one.finally(() => asking.delete(one))
    // So that there is always something under way while a command line looks.
    const keys: string[] = []
    while (asking.size > 0) {
      keys.push(`p${keys.length}`)
      expect((await post(url, 'a', keys.at(-1) ?? '')).status).toBe(202)
    }
    for (const { code, err, out } of await Promise.all(asked)) {
      expect([code, err]).toEqual([0, []])
      keys.push(...out)
    }
    const sent = keys.map((key) => ({ session: 'a', key, at: 0, acknowledged: true }))
    const ledger = () => new Ledger({ folder, logs: [], sent })
    await until('everything is there', () => ledger().ok).catch(() => {})
    expect(ledger().problems).toEqual([])
    expect(ledger().totals.messages.answered).toBe(keys.length)
    for (const { text } of model.prompts) if (!text.startsWith('summary')) expect(model.times(text)).toBe(1)
  })

  test('share the turn: what the one answers slowly the other waits for, and then goes on', async () => {
    const gate = new Gate()
    const model = new Model(async ({ text }) => {
      if (text === 'says slow') await gate.opened
      return {}
    })
    const folder = scratch()
    const provider = await model.listen()
    const url = await main(folder, '--provider', provider).url()
    await post(url, 'a', 'slow')
    await model.asked('says slow')
    const asking = cli(folder, '--provider', provider, 'ask', 'a', 'quick')
    await until('the question stands there', () => messagesOf(folder, 'a').length === 2)
    gate.open()
    const { out } = await asking
    expect(answersOf(folder, 'a')).toEqual(['slow', ...out])
    expect([model.times('says slow'), model.times('quick')]).toEqual([1, 1])
  })
})
