// The client of the gateway, against a server that the test makes: what it sends, how often, and when it stops.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'

import { expect, onTestFinished, test } from 'vitest'

import { Client, randomOf, traffic } from '../../../examples/gateway/src/client.js'
import { mustStayBlocked } from '../../helpers/must-stay-blocked.js'
import { until } from '../../helpers/until.js'

interface Got {
  readonly path: string
  readonly id: string
  readonly text: string
}

type Answer = readonly [status: number, body: object] | 'hang up'

/** A gateway that answers what the test says. */
async function fake(
  answer: (got: Got, times: number) => Answer | Promise<Answer>,
): Promise<{ got: Got[]; url: string }> {
  const got: Got[] = []
  const server: Server = createServer((request, response) => {
    void (async () => {
      const message = await read(request)
      got.push(message)
      const said = await answer(message, got.filter(({ id }) => id === message.id).length)
      if (said === 'hang up') request.socket.destroy()
      else response.writeHead(said[0], { 'content-type': 'application/json' }).end(JSON.stringify(said[1]))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen')
  return { got, url: `http://127.0.0.1:${address.port}` }
}

async function read(request: IncomingMessage): Promise<Got> {
  const pieces: Uint8Array[] = []
  for await (const piece of request as AsyncIterable<Uint8Array>) pieces.push(piece)
  const { id, text } = JSON.parse(Buffer.concat(pieces).toString()) as { id: string; text: string }
  return { path: request.url ?? '', id, text }
}

const TAKEN = [202, {}] as const
const CLOSED = [503, { error: { code: 'GATEWAY_CLOSED', message: 'it ends' } }] as const

function opened(url: string | (() => string)): Client {
  const client = new Client('client', typeof url === 'string' ? () => url : url)
  onTestFinished(() => client.close())
  return client
}

test('a message is sent with an id of its own, and is acknowledged when the gateway says so', async () => {
  const { got, url } = await fake(() => TAKEN)
  const client = opened(url)
  const sent = [await client.send('a', 'one'), await client.send('b', 'two')]
  expect(got).toEqual([
    { path: '/sessions/a/messages', id: sent[0]?.key, text: 'one' },
    { path: '/sessions/b/messages', id: sent[1]?.key, text: 'two' },
  ])
  expect(sent[0]?.key).not.toBe(sent[1]?.key)
  expect(client.sent).toEqual(sent)
  expect(sent.map(({ acknowledged }) => acknowledged)).toEqual([true, true])
})

test('while nobody is there, or a gateway ends or hangs up, it is sent again, with the same id', async () => {
  const { got, url } = await fake((_got, times) => (times === 1 ? 'hang up' : times < 4 ? CLOSED : TAKEN))
  let tries = 0
  const sent = await opened(() => (tries++ < 3 ? 'http://127.0.0.1:9' : url)).send('a', 'one')
  expect(got.map(({ id }) => id)).toEqual(Array.from({ length: 4 }, () => sent.key))
  expect([sent.acknowledged, sent.refusal, tries]).toEqual([true, undefined, 7])
})

test('a refusal is an answer: it is not sent again, and the next one is', async () => {
  const { got, url } = await fake(({ text }) =>
    text === 'bad' ? [400, { error: { code: 'BAD_MESSAGE', message: 'Expected better' } }] : TAKEN,
  )
  const client = opened(url)
  const [bad, good] = await Promise.all([client.send('a', 'bad'), client.send('a', 'good')])
  expect([bad.acknowledged, bad.refusal, good.acknowledged]).toEqual([false, 'Expected better', true])
  expect(got).toHaveLength(2)
})

test('no message waits for another one, of the same session or not', async () => {
  const { got, url } = await fake(() => new Promise(() => {}))
  const client = opened(url)
  for (const text of ['one', 'two', 'three']) void client.send('a', text)
  await until('all are under way', () => got.length === 3)
})

test('closed, it gives up what is under way and what waits, and sends nothing more', async () => {
  const { got, url } = await fake(() => new Promise(() => {}))
  const client = opened(url)
  const sending = [client.send('a', 'one'), client.send('a', 'two')]
  await until('they are under way', () => got.length === 2)
  client.close()
  sending.push(client.send('b', 'three'))
  const sent = await Promise.all(sending)
  expect([sent.map(({ acknowledged }) => acknowledged), got.length]).toEqual([[false, false, false], 2])
})

test('closed while nobody is there, it stops to try', async () => {
  let tries = 0
  const client = opened(() => {
    tries++
    return 'http://127.0.0.1:9'
  })
  const sending = client.send('a', 'one')
  await until('it tries again', () => tries > 1)
  client.close()
  expect((await sending).acknowledged).toBe(false)
  const before = tries
  await mustStayBlocked(new Promise(() => {}))
  expect(tries).toBe(before)
})

test('traffic of one seed is the same each time, and of another seed another; it ends with its signal', async () => {
  const { url } = await fake(() => TAKEN)
  const record = async (seed: number): Promise<string[]> => {
    const client = opened(url)
    const ending = new AbortController()
    const going = traffic(client, { sessions: ['a', 'b', 'c'], rate: 2_000, seed, signal: ending.signal })
    await until('there is enough of it', () => client.sent.length >= 25)
    ending.abort()
    await going
    const { length } = client.sent
    await mustStayBlocked(new Promise(() => {}))
    expect(client.sent).toHaveLength(length)
    return client.sent.slice(0, 25).map(({ session, key, text }) => `${session} ${key} ${text}`)
  }
  const once = await record(7)
  expect(await record(7)).toEqual(once)
  expect(await record(8)).not.toEqual(once)
  expect(new Set(once.map((line) => line[0]))).toEqual(new Set(['a', 'b', 'c']))
})

test('random numbers are from 0 to 1, and the same for the same seed', () => {
  const numbers = (seed: number) => {
    const random = randomOf(seed)
    return Array.from({ length: 2_000 }, random)
  }
  const some = numbers(1)
  expect(some.every((number) => number >= 0 && number < 1)).toBe(true)
  expect(new Set(some).size).toBeGreaterThan(1_990)
  expect(some.filter((number) => number < 0.1).length / 2_000).toBeCloseTo(0.1, 1)
  expect(numbers(1)).toEqual(some)
  expect(numbers(2)).not.toEqual(some)
})
