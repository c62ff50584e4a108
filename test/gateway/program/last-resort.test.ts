// What nobody hears or catches, in a tool of a gateway: a rejection ends nothing but its run's lane, and an exception ends
// the process, which frees what it holds.
import { fileURLToPath } from 'node:url'

import { inspect } from 'holdfast'
import { expect, test } from 'vitest'

import { gatewayOf, transcriptOf, turnOf } from '../../../examples/gateway/src/places.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { Model } from './model.js'
import { main, post, Program } from './programs.js'
import { answered, answersOf, linesOf, ofType } from './stand.js'

const TOOLS_GATEWAY = fileURLToPath(new URL('tools-gateway.mjs', import.meta.url))

/** Asks for the tool the first time. */
function usesOnce(tool: string): Model {
  const model: Model = new Model(({ text }) => ({
    tools: text === 'says bad' && model.times(text) === 1 ? [tool] : [],
  }))
  return model
}

test('a rejection that nobody hears: the gateway lives on, the hold ends with its lane, the message is answered', async () => {
  const folder = scratch()
  const gateway = Program.start(TOOLS_GATEWAY, folder, await usesOnce('reject').listen())
  const url = await gateway.url()
  await post(url, 'a', 'bad')
  await post(url, 'a', 'next')
  expect(await gateway.logged('unhandledRejection')).toMatchObject({ error: 'Error: the stream was disconnected' })
  const lock = `${transcriptOf(folder, 'a')}.index`
  expect(inspect(lock).state).toBe('held')
  await answered(folder, 'a', 'bad', 'next')
  expect(inspect(lock)).toMatchObject({ state: 'abandoned', record: { reason: 'owner-closed' } })
  expect((await post(url, 'a', 'last')).status).toBe(202)
  await answered(folder, 'a', 'last')
  expect([answersOf(folder, 'a'), gateway.isOver]).toEqual([['bad', 'next', 'last'], false])
})

test('an exception that nobody catches: the process ends with 1 and says why, and all that it held is free', async () => {
  const folder = scratch()
  const provider = await usesOnce('throw').listen()
  const gateway = Program.start(TOOLS_GATEWAY, folder, provider)
  await post(await gateway.url(), 'a', 'bad').catch(() => {})
  expect(await gateway.ended).toEqual({ code: 1, signal: null })
  expect(await gateway.logged('uncaughtException')).toMatchObject({ error: 'Error: out of nowhere' })
  const path = transcriptOf(folder, 'a')
  for (const lock of [gatewayOf(folder), turnOf(folder, 'a', 'main'), `${path}.index`, `${path}.lost`]) {
    // Released before the process ended, not by its end.
    expect(inspect(lock)).toMatchObject({ state: 'abandoned', record: { reason: 'released-all' } })
  }
  const next = main(folder, '--provider', provider)
  await next.url()
  await answered(folder, 'a', 'bad')
  await until('it was resumed', () => ofType(linesOf(folder, 'a'), 'resumed').length === 1)
  expect(ofType(linesOf(folder, 'a'), 'resumed')[0]?.from).toContain(`pid ${gateway.pid} lane=main a (released-all)`)
})
