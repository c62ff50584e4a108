// What the server takes and what it refuses, over real HTTP: every refusal has its status and its code, and leaves nothing
// in the folder.
import { once } from 'node:events'
import { mkdirSync, readdirSync } from 'node:fs'
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http'
import { connect, type Socket } from 'node:net'

import { acquire } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'

import { transcriptOf } from '../../../examples/gateway/src/places.js'
import type { State } from '../../../examples/gateway/src/page/state.js'
import { serve, type Service } from '../../../examples/gateway/src/service.js'
import { openFiles } from '../../../examples/gateway/src/session-files.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { Model, never } from './model.js'
import { post, type Posted } from './programs.js'
import { answered, answersOf, messagesOf } from './stand.js'

interface Served {
  readonly folder: string
  readonly service: Service
  readonly port: number
  readonly logged: string[]
}

async function served(model = new Model(), folder = scratch()): Promise<Served> {
  const logged: string[] = []
  const log = (event: string): void => void logged.push(event)
  const files = await openFiles(folder)
  const service = await serve({ folder, files, provider: model, log, port: 0 })
  onTestFinished(() => service.close(new Error('the test is over')))
  return { folder, service, port: Number(new URL(service.url).port), logged }
}

interface Asked extends RequestOptions {
  readonly body?: string | Buffer
}

/** Not fetch(), which would tidy up what is asked. */
async function ask(
  port: number,
  { body = '', ...options }: Asked,
): Promise<Posted & { headers: IncomingMessage['headers'] }> {
  const agent = new Agent({ keepAlive: true }) // as clients are
  onTestFinished(() => agent.destroy())
  const asked = request({ host: '127.0.0.1', port, agent, ...options })
  asked.end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  const pieces: Uint8Array[] = []
  for await (const piece of response as AsyncIterable<Uint8Array>) pieces.push(piece)
  const text = Buffer.concat(pieces).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) as Posted['body'] }
}

const JSON_TYPE = { 'content-type': 'application/json' }

function said(message: unknown): Asked {
  return { method: 'POST', path: '/sessions/a/messages', headers: JSON_TYPE, body: JSON.stringify(message) }
}

function to(path: string, method = 'POST'): Asked {
  return { ...said({ id: 'x', text: 'x' }), ...(method !== 'POST' && { headers: {}, body: '' }), path, method }
}

async function plug(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

const HALF =
  'POST /sessions/a/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":'

describe('a message', () => {
  test('is answered with 202 and its id, and stands in the file by then; sent again it is the same one', async () => {
    const { folder, service } = await served()
    for (let round = 0; round < 3; round++) {
      expect(await post(service.url, 'a', 'one', 'text')).toEqual({ status: 202, body: { id: 'one' } })
      expect(messagesOf(folder, 'a')).toEqual(['one'])
    }
    await answered(folder, 'a', 'one')
    expect(answersOf(folder, 'a')).toEqual(['one'])
  })

  test('with another text and an id that is there is refused, by the next gateway too: it would be dropped without a word', async () => {
    const { folder, service } = await served()
    const taken = { status: 409, body: { error: expect.objectContaining({ code: 'ID_TAKEN' }) as unknown } }
    await post(service.url, 'a', 'one', 'text')
    expect(await post(service.url, 'a', 'one', 'another')).toEqual(taken)
    await service.close(new Error('the end'))
    const next = await served(new Model(), folder)
    expect(await post(next.service.url, 'a', 'one', 'another')).toEqual(taken)
    expect((await post(next.service.url, 'a', 'one', 'text')).status).toBe(202)
    expect(messagesOf(folder, 'a')).toEqual(['one'])
  })

  test.each([
    [{ origin: 'http://evil.example' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'none' }, 200],
  ])('asked for by a page is answered to its own alone: %j answers %i', async (headers, status) => {
    const { port } = await served()
    expect((await ask(port, { path: '/state', headers })).status).toBe(status)
  })

  test('of any text and with any id comes through as it is', async () => {
    const { folder, service } = await served()
    const texts = ['', ' ', 'ä€😀\u2028\u0000"\\', '\n{"type":"answer"}\n', 'x'.repeat(60_000)]
    for (const [index, text] of texts.entries()) {
      expect((await post(service.url, 'a', `${index}\n"/../${text.slice(0, 9)}`, text)).status).toBe(202)
    }
    expect(messagesOf(folder, 'a')).toEqual(texts.map((text, index) => `${index}\n"/../${text.slice(0, 9)}`))
  })

  test('may have the longest names there are', async () => {
    const { folder, port } = await served()
    const [session, id] = [`a${'-'.repeat(62)}9`, 'i'.repeat(128)]
    const { status } = await ask(port, { ...said({ id, text: '' }), path: `/sessions/${session}/messages` })
    expect([status, messagesOf(folder, session)]).toEqual([202, [id]])
  })

  test('that cannot be written is answered with 503, and its code says why', async () => {
    const { folder, service, logged } = await served()
    mkdirSync(transcriptOf(folder, 'b'))
    const { status, body } = await post(service.url, 'b', 'x')
    expect([status, body.error?.code]).toEqual([503, 'ERR_SESSION_SYSTEM'])
    expect(logged).toContain('request failed')
  })
})

describe('refused, with nothing written', () => {
  const bad = (status: number, code: string, asked: Asked) => ({ status, code, asked })
  const type = (value: string) => ({ ...said({ id: 'x', text: 'x' }), headers: { 'content-type': value } })
  const host = (value: string) => ({ ...said({ id: 'x', text: 'x' }), headers: { ...JSON_TYPE, host: value } })
  const raw = (body: string | Buffer) => ({ ...said(null), body })
  const long = JSON.stringify({ id: 'x', text: 'x'.repeat(65_536) })
  const refusals: Record<string, { status: number; code: string; asked: Asked }> = {
    'a session of 65 characters': bad(400, 'BAD_SESSION', to(`/sessions/${'a'.repeat(65)}/messages`)),
    'a session that names a device of some systems': bad(400, 'BAD_SESSION', to('/sessions/nul/messages')),
    'a session with a capital': bad(400, 'BAD_SESSION', to('/sessions/A/messages')),
    'a session that begins with a dash': bad(400, 'BAD_SESSION', to('/sessions/-a/messages')),
    'a session that ends with one': bad(400, 'BAD_SESSION', to('/sessions/a-/messages')),
    'a session with a dot': bad(400, 'BAD_SESSION', to('/sessions/a.b/messages')),
    'a session with a slash in disguise': bad(400, 'BAD_SESSION', to('/sessions/a%2Fb/messages')),
    'a way up in disguise': bad(400, 'BAD_SESSION', to('/sessions/..%2F..%2Fetc/messages')),
    'a NUL in disguise': bad(400, 'BAD_SESSION', to('/sessions/a%00/messages')),
    'a backslash in disguise': bad(400, 'BAD_SESSION', to('/sessions/a%5Cb/messages')),
    'a session with a letter that is not ASCII': bad(400, 'BAD_SESSION', to('/sessions/%C3%A4/messages')),
    'a way up': bad(400, 'BAD_SESSION', to('/sessions/../messages')),
    'another way up': bad(400, 'BAD_SESSION', to('/sessions/%2e%2e/messages')),
    'a session without a name': bad(404, 'NOT_FOUND', to('/sessions//messages')),
    'another host in the path': bad(404, 'NOT_FOUND', to('//evil.example/sessions/a/messages')),
    'a path that is none': bad(404, 'NOT_FOUND', to('//')),
    'a port that is none in the path': bad(404, 'NOT_FOUND', to('//x:y/')),
    'an unknown path': bad(404, 'NOT_FOUND', to('/elsewhere/a/messages')),
    'an unknown part': bad(404, 'NOT_FOUND', to('/sessions/a/message')),
    'a part too much': bad(404, 'NOT_FOUND', to('/sessions/a/messages/x')),
    'a slash too much': bad(404, 'NOT_FOUND', to('/sessions/a/messages/')),
    'a session nobody knows': bad(404, 'NOT_FOUND', to('/sessions/unknown', 'GET')),
    'GET of the messages': bad(405, 'BAD_METHOD', to('/sessions/a/messages', 'GET')),
    PUT: bad(405, 'BAD_METHOD', to('/sessions/a/messages', 'PUT')),
    DELETE: bad(405, 'BAD_METHOD', to('/sessions/a/messages', 'DELETE')),
    'no type': bad(415, 'BAD_TYPE', { ...said({ id: 'x', text: 'x' }), headers: {} }),
    'a form': bad(415, 'BAD_TYPE', type('application/x-www-form-urlencoded')),
    'plain text': bad(415, 'BAD_TYPE', type('text/plain; x=application/json')),
    'another host': bad(421, 'BAD_HOST', host('evil.example')),
    'a host that begins like this one': bad(421, 'BAD_HOST', host('127.0.0.1.evil.example')),
    'a host that ends like this one': bad(421, 'BAD_HOST', host('evil.localhost')),
    nothing: bad(400, 'BAD_MESSAGE', raw('')),
    'no JSON': bad(400, 'BAD_MESSAGE', raw('{"id":"x","text":"x"')),
    'a list': bad(400, 'BAD_MESSAGE', said([])),
    null: bad(400, 'BAD_MESSAGE', said(null)),
    'a string': bad(400, 'BAD_MESSAGE', said('x')),
    'a number': bad(400, 'BAD_MESSAGE', said(1)),
    'no id': bad(400, 'BAD_MESSAGE', said({ text: 'x' })),
    'an empty id': bad(400, 'BAD_MESSAGE', said({ id: '', text: 'x' })),
    'an id of 129 characters': bad(400, 'BAD_MESSAGE', said({ id: 'x'.repeat(129), text: 'x' })),
    'an id that is a number': bad(400, 'BAD_MESSAGE', said({ id: 1, text: 'x' })),
    'no text': bad(400, 'BAD_MESSAGE', said({ id: 'x' })),
    'a text that is an object': bad(400, 'BAD_MESSAGE', said({ id: 'x', text: {} })),
    'a body of more than 64 KiB': bad(413, 'TOO_LONG', raw(long)),
    'a body of many times that': bad(413, 'TOO_LONG', raw('x'.repeat(8 * 1024 * 1024))),
    'such a body that does not say how long it is': bad(413, 'TOO_LONG', {
      ...raw(long),
      headers: { ...JSON_TYPE, 'transfer-encoding': 'chunked' },
    }),
  }

  test.each(Object.entries(refusals))('%s', async (_name, { status, code, asked }) => {
    const { folder, service, port, logged } = await served()
    const answer = await ask(port, asked)
    expect([answer.status, answer.body.error?.code]).toEqual([status, code])
    expect(answer.body.error?.message).not.toBe('')
    expect(answer.headers['content-type']).toBe('application/json')
    expect([readdirSync(folder), logged]).toEqual([[], []])
    expect((await post(service.url, 'a', 'next')).status).toBe(202) // and nobody else has to suffer for it
  })

  test('whoever sends far too much always hears of it: the connection stays', async () => {
    const { service } = await served()
    for (let times = 0; times < 20; times++) {
      expect((await post(service.url, 'a', 'x', 'x'.repeat(3_000_000))).status).toBe(413)
    }
  })

  test('the longest body is taken, and one byte more is not', async () => {
    const { folder, port } = await served()
    const body = (length: number) => JSON.stringify({ id: `${length}`, text: 'x'.repeat(length - 24) })
    expect(Buffer.byteLength(body(65_536))).toBe(65_536)
    expect((await ask(port, { ...said(null), body: body(65_536) })).status).toBe(202)
    expect((await ask(port, { ...said(null), body: body(65_537) })).status).toBe(413)
    expect(messagesOf(folder, 'a')).toEqual(['65536'])
  })
})

describe('a client that goes wrong', () => {
  test.each([
    'no HTTP at all\r\n\r\n',
    'POST /sessions/a/messages HTTP/1.1\r\ncontent-length: -1\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
  ])('that says %j is let go, and harms nobody', async (text) => {
    const { folder, service, port } = await served()
    const socket = await plug(port)
    const closed = once(socket, 'close')
    socket.resume().write(text)
    await closed
    expect((await post(service.url, 'a', 'next')).status).toBe(202)
    expect(messagesOf(folder, 'a')).toEqual(['next'])
  })

  test('that disconnects in the middle of a body leaves nothing', async () => {
    const { folder, service, port } = await served()
    for (let times = 0; times < 5; times++) {
      const socket = await plug(port)
      await new Promise((resolve) => socket.write(HALF, resolve))
      socket.destroy()
    }
    expect((await post(service.url, 'a', 'next')).status).toBe(202)
    expect(messagesOf(folder, 'a')).toEqual(['next'])
  })

  test('that disconnects before it is answered, and sends its message again, has sent one', async () => {
    const { folder, service, port } = await served()
    const writer = await acquire(transcriptOf(folder, 'a'))
    const socket = await plug(port)
    const body = JSON.stringify({ id: 'one', text: 'x' })
    socket.write(HALF.replace('100', `${body.length}`).replace('{"id":', body))
    await until('the message is under way', () => readdirSync(folder).includes('a.jsonl.hold'))
    const state = async () => (await (await fetch(`${service.url}/state`)).json()) as State
    await until('it waits for the lock', async () => {
      return (await state()).sessions.some(({ locks }) =>
        locks.some(({ name, waiters }) => name === 'transcript' && waiters.length > 0),
      )
    })
    socket.destroy()
    const again = post(service.url, 'a', 'one', 'x')
    writer.release()
    expect((await again).status).toBe(202)
    await answered(folder, 'a', 'one')
    expect([messagesOf(folder, 'a'), answersOf(folder, 'a')]).toEqual([['one'], ['one']])
  })
})

describe('the end of a server', () => {
  test('lets what is under way be answered, and takes nothing more', async () => {
    const { folder, service } = await served(new Model(never))
    await post(service.url, 'a', 'first')
    const writer = await acquire(transcriptOf(folder, 'a'))
    const underWay = post(service.url, 'a', 'second')
    const state = async () => (await (await fetch(`${service.url}/state`)).json()) as State
    await until('it waits for the lock', async () => {
      return (await state()).sessions.some(({ locks }) =>
        locks.some(({ name, waiters }) => name === 'transcript' && waiters.length > 0),
      )
    })
    const closed = service.close(new Error('the end'))
    await expect(fetch(service.url)).rejects.toThrow()
    writer.release()
    expect(await underWay).toMatchObject({ status: 202 })
    await closed
    expect(messagesOf(folder, 'a')).toEqual(['first', 'second'])
  })

  test('refuses a message whose body comes too late with GATEWAY_CLOSED, and writes nothing', async () => {
    const { folder, service, port } = await served()
    await post(service.url, 'a', 'first')
    const socket = await plug(port)
    let heard = ''
    socket.setEncoding('utf8').on('data', (text: string) => (heard += text))
    const gone = once(socket, 'close')
    await new Promise((resolve) => socket.write(HALF, resolve))
    await fetch(service.url) // by now it is read
    await service.close(new Error('the end'))
    await gone
    expect(heard).toContain('503')
    expect(heard).toContain('GATEWAY_CLOSED')
    expect(messagesOf(folder, 'a')).toEqual(['first'])
  })

  test.each([
    ['in the middle of its headers', 'POST /sessions/a/messages HTTP/1.1\r\nhost: loc'],
    ['before it asks for anything', ''],
    ['while it watches the page', 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    ['after it was answered', 'GET /state HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ])('waits for no client that stays connected %s', async (_name, text) => {
    const { service, port } = await served()
    const socket = await plug(port)
    socket.resume()
    const gone = once(socket, 'close')
    await new Promise((resolve) => socket.write(text, resolve))
    await fetch(service.url)
    await service.close(new Error('the end'))
    await gone
  })
})

describe('a session', () => {
  test('says how many of its messages were answered, and how many wait', async () => {
    const model = new Model(({ text }) => (text === 'says stuck' ? never() : {}))
    const { folder, service, port } = await served(model)
    for (const id of ['a', 'stuck', 'c']) await post(service.url, 'a', id)
    await answered(folder, 'a', 'a')
    await model.asked('says stuck')
    const state = () => ask(port, { path: '/sessions/a?x=y', method: 'GET' })
    await until('both wait', async () => JSON.stringify((await state()).body).includes('"unanswered":2'))
    expect(await state()).toMatchObject({ status: 200, body: { id: 'a', answered: 1, unanswered: 2 } })
  })
})
