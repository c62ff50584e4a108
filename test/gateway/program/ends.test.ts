// A gateway that ends, by a signal or a kill, and the next one: nothing accepted is lost, and the next one goes on at once.
import { inspect } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'

import { Client, randomOf } from '../../../examples/gateway/src/client.js'
import { Ledger } from '../../../examples/gateway/src/ledger/ledger.js'
import { gatewayOf, turnOf } from '../../../examples/gateway/src/places.js'
import { waiterBlocked } from '../../helpers/kernel-waiters.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { Model, never } from './model.js'
import { main, post, type Program } from './programs.js'
import { answered, answersOf, linesOf, messagesOf, ofType } from './stand.js'

/** Does not answer the message the first time. */
function stuckOn(text: string): Model {
  const model: Model = new Model((prompt) => (prompt.text === text && model.times(text) === 1 ? never() : {}))
  return model
}

function isHeldBy(path: string, { pid }: Program): boolean {
  const { state, record } = inspect(path)
  return state === 'held' && record?.pid === pid
}

/** One that waits for the first one to end. */
async function waiting(folder: string, ...options: string[]): Promise<Program> {
  const second = main(folder, ...options)
  await waiterBlocked(`${gatewayOf(folder)}.hold`, second.pid)
  return second
}

describe('a gateway that is killed', () => {
  test('in the middle of a run: the next one answers first thing, resumes, and says whose run was cut off', async () => {
    const folder = scratch()
    const model = stuckOn('says stuck')
    const provider = await model.listen()
    const first = main(folder, '--provider', provider)
    const url = await first.url()
    for (const id of ['done', 'stuck', 'next']) expect((await post(url, 'a', id)).status).toBe(202)
    await model.asked('says stuck')
    expect(await first.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
    expect(inspect(turnOf(folder, 'a', 'main')).state).toBe('abandoned')

    const second = main(folder, '--provider', provider)
    await second.url()
    await answered(folder, 'a', 'stuck', 'next')
    const from = `pid ${first.pid} lane=main a (ended with its process)`
    expect(await second.logged('run was cut off')).toMatchObject({ session: 'a', from })
    expect(ofType(linesOf(folder, 'a'), 'resumed')).toMatchObject([{ to: 'stuck', from }])
    expect([messagesOf(folder, 'a'), answersOf(folder, 'a')]).toEqual([
      ['done', 'stuck', 'next'],
      ['done', 'stuck', 'next'],
    ])
    expect([model.times('says done'), model.times('says stuck')]).toEqual([1, 2])
  })

  test('while a second one waits: that takes over by itself', async () => {
    const folder = scratch()
    const model = stuckOn('says stuck')
    const provider = await model.listen()
    const first = main(folder, '--provider', provider)
    const url = await first.url()
    const second = await waiting(folder, '--provider', provider)
    await post(url, 'a', 'stuck')
    await model.asked('says stuck')
    expect([isHeldBy(gatewayOf(folder), first), second.out]).toEqual([true, []])
    await first.end('SIGKILL')
    const next = await second.url()
    expect(isHeldBy(gatewayOf(folder), second)).toBe(true)
    await answered(folder, 'a', 'stuck')
    expect((await post(next, 'a', 'stuck')).status).toBe(202)
    await post(next, 'a', 'last')
    await answered(folder, 'a', 'last')
    expect(messagesOf(folder, 'a')).toEqual(['stuck', 'last'])
  })

  test('while its sub-agents work: each reports once, to the next one', async () => {
    const folder = scratch()
    const model: Model = new Model(({ text }) => {
      if (text === 'browse 1' && model.times(text) === 1) return never()
      return { agents: text === 'says a' ? 3 : 0 }
    })
    const provider = await model.listen()
    const first = main(folder, '--provider', provider)
    await post(await first.url(), 'a', 'a')
    await model.asked('browse 1')
    await first.end('SIGKILL')
    const url = await main(folder, '--provider', provider).url()
    await until('all report', () => ofType(linesOf(folder, 'a'), 'report').length >= 3)
    await post(url, 'a', 'b')
    await answered(folder, 'a', 'b')
    expect(
      ofType(linesOf(folder, 'a'), 'report')
        .map(({ agent, text }) => `${agent} ${text}`)
        .sort(),
    ).toEqual(['0 done', '1 done', '2 done'])
  })

  test.each([1, 2])(
    'at any moment under traffic, again and again, loses, doubles and disorders nothing (%i)',
    async (seed) => {
      const folder = scratch()
      const model = new Model(async ({ text }) => {
        await new Promise((resolve) => setTimeout(resolve, Number(/think=(\d+)/.exec(text)?.[1] ?? 5)))
        return { agents: text.includes('[agents=1]') ? 1 : 0 }
      })
      const provider = await model.listen()
      let url = 'http://127.0.0.1:9'
      const client = new Client(`seed${seed}`, () => url)
      onTestFinished(() => client.close())
      const random = randomOf(seed)
      const below = (most: number) => Math.floor(random() * most)
      const acknowledged = () => client.sent.filter((sent) => sent.acknowledged).length
      for (let kill = 0; kill < 5; kill++) {
        const gateway = main(folder, '--provider', provider)
        url = await gateway.url()
        for (let count = 0; count < 20; count++) {
          void client.send(
            ['a', 'b', 'c'][below(3)] ?? '',
            `${count} [think=${below(6)}]${below(10) === 0 ? ' [agents=1]' : ''}`,
          )
        }
        const enough = acknowledged() + 1 + below(client.sent.length - acknowledged())
        await until('some messages are taken', () => acknowledged() >= enough)
        await gateway.end('SIGKILL')
      }
      url = await main(folder, '--provider', provider).url()
      const ledger = () => new Ledger({ folder, logs: [], sent: client.sent })
      const done = () => client.sent.every((sent) => sent.acknowledged) && ledger().ok
      await until('everything is there', done).catch(() => {})
      expect(ledger().problems).toEqual([])
      expect(client.sent.filter(({ refusal }) => refusal !== undefined)).toEqual([])
      const { messages } = ledger().totals
      expect(messages).toEqual({ sent: client.sent.length, answered: client.sent.length, lost: 0 })
    },
  )
})

describe.each(['SIGTERM', 'SIGINT'] as const)('a gateway that is ended by %s', (signal) => {
  test('loses nothing that it accepted, ends with 0, and the one that waits takes over', async () => {
    const folder = scratch()
    const model = stuckOn('says stuck')
    const provider = await model.listen()
    const first = main(folder, '--provider', provider)
    const url = await first.url()
    const second = await waiting(folder, '--provider', provider)
    for (const id of ['done', 'stuck', 'next']) await post(url, 'a', id)
    await model.asked('says stuck')
    const late = Array.from({ length: 10 }, (_, index) => `late${index}`)
    const posting = late.map((id) => post(url, 'a', id).catch(() => ({ status: 0 })))
    expect(await first.end(signal)).toEqual({ code: 0, signal: null })
    const accepted = (await Promise.all(posting)).map(({ status }) => status)
    const next = await second.url()
    for (const id of late) expect((await post(next, 'a', id)).status).toBe(202)
    await answered(folder, 'a', 'done', 'stuck', 'next', ...late)
    expect(accepted.every((status) => [0, 202, 503].includes(status))).toBe(true)
    expect(messagesOf(folder, 'a').sort()).toEqual(['done', 'stuck', 'next', ...late].sort())
    expect(answersOf(folder, 'a')).toEqual(messagesOf(folder, 'a'))
    const from = `pid ${first.pid} lane=main a (owner-closed)`
    expect(ofType(linesOf(folder, 'a'), 'resumed')).toMatchObject([{ to: 'stuck', from }])
    expect(await second.logged('run was cut off')).toMatchObject({ session: 'a', from })
  })
})

test('a gateway that waits for its folder can be ended, and leaves the first one alone', async () => {
  const folder = scratch()
  const first = main(folder)
  const url = await first.url()
  const second = await waiting(folder)
  expect((await second.end('SIGTERM')).code).not.toBe(1)
  await post(url, 'a', 'a')
  await answered(folder, 'a', 'a')
  expect(isHeldBy(gatewayOf(folder), first)).toBe(true)
})
