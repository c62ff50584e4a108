// The page's server: what it answers, and what it sends to those who watch.
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'

import { describe, expect, onTestFinished, test } from 'vitest'

import { documentOf, sectionsOf } from '../../examples/gateway/src/page/view.js'
import type { State } from '../../examples/gateway/src/page/state.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { busyState } from './page/busy.js'
import { Frames } from './page/frames.js'
import { PageServer } from './page/server.js'

/** As they are sent, without ages. */
function sections(state: State): Map<string, string> {
  return new Map([...sectionsOf({ ...state, now: 0 })].map(([id, markup]) => [id, markup.toString()]))
}

function withNotice(state: State, text: string): State {
  const notice = { kind: 'other' as const, at: state.now, path: '/srv/x', text }
  return { ...state, notices: [notice, ...state.notices].slice(0, 100) }
}

describe('routes', () => {
  async function ask(url: string, path: string, method = 'GET'): Promise<IncomingMessage> {
    // Not fetch(), which would tidy the path up.
    const { port } = new URL(url)
    const asked = request({ host: '127.0.0.1', port, path, method, agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    onTestFinished(() => void response.destroy())
    return response
  }

  test('everything is answered with its type, and with headers that let a browser do nothing else with it', async () => {
    const { url } = await PageServer.start(busyState())
    const types = {
      '/': 'text/html; charset=utf-8',
      '/page.css': 'text/css; charset=utf-8',
      '/page.js': 'text/javascript; charset=utf-8',
      '/duration.js': 'text/javascript; charset=utf-8',
      '/state': 'application/json; charset=utf-8',
      '/events': 'text/event-stream; charset=utf-8',
      '/?from=somewhere': 'text/html; charset=utf-8',
    }
    for (const [path, type] of Object.entries(types)) {
      const { statusCode, headers } = await ask(url, path)
      expect(statusCode).toBe(200)
      expect(headers['content-type']).toBe(type)
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['cache-control']).toBe('no-store')
      expect(headers['referrer-policy']).toBe('no-referrer')
      expect(headers['access-control-allow-origin']).toBeUndefined()
      expect(String(headers['content-security-policy']).split('; ')).toEqual([
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        'img-src data:',
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ])
    }
  })

  test('HEAD is answered like GET without a body, and does not begin to watch', async () => {
    const { url, page } = await PageServer.start(busyState())
    for (const path of ['/', '/page.css', '/state', '/events']) {
      const response = await ask(url, path, 'HEAD')
      expect(response.statusCode).toBe(200)
      let body = ''
      for await (const chunk of response) body += String(chunk)
      expect(body).toBe('')
    }
    expect(page.watching).toBe(0)
  })

  test('what is not of the page is left to others', async () => {
    const { url } = await PageServer.start(busyState())
    const paths = [
      '/sessions',
      '/../package.json',
      '/page.css/../../src/page/routes.ts',
      '//page.css',
      '/page.CSS',
      '/%2e%2e/',
    ]
    for (const path of [...paths, '/assets/page.css', '/duration.d.ts', '*'])
      expect((await ask(url, path)).statusCode).toBe(404)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await ask(url, '/', method)).statusCode).toBe(404)
  })

  test('the state is answered as JSON', async () => {
    const started = await PageServer.start(busyState())
    const state = (await (await fetch(`${started.url}/state`)).json()) as State
    expect({ ...state, now: 0 }).toEqual({ ...started.state, now: 0 })
  })
})

describe('events', () => {
  test('whoever comes gets all sections first, and after that only those that change', async () => {
    const server = await PageServer.start(busyState())
    const frames = await Frames.open(`${server.url}/events`)
    const first = await frames.next()
    expect(new Map(Object.entries(first.sections))).toEqual(sections(server.state))
    server.state = { ...server.state, lanes: { ...server.state.lanes, main: { busy: 1, size: 5, waiting: 0 } } }
    expect(Object.keys((await frames.next()).sections)).toEqual(['lanes'])
    server.state = withNotice(server.state, 'something happened')
    expect(Object.keys((await frames.next()).sections)).toEqual(['notices'])
    expect(frames.sections).toEqual(sections(server.state))
    expect(frames.texts[0]).toMatch(/^retry: \d+$/)
  })

  test('what only grows older is not sent; a comment shows that the connection lives', async () => {
    const server = await PageServer.start(busyState(), { heartbeat: 20 })
    const frames = await Frames.open(`${server.url}/events`)
    await frames.next()
    for (let beats = 0; beats < 3; beats++) expect(await frames.text()).toBe(':')
    server.state = withNotice(server.state, 'news')
    expect(Object.keys((await frames.next()).sections)).toEqual(['notices'])
  })

  test('nothing is looked at while nobody watches', async () => {
    const server = await PageServer.start(busyState())
    const frames = await Frames.open(`${server.url}/events`)
    await frames.next()
    await frames.leave()
    await until('nobody watches', () => server.page.watching === 0)
    const { looks } = server
    await mustStayBlocked(until('somebody looks', () => server.looks > looks))
    const again = await Frames.open(`${server.url}/events`)
    await again.next()
    expect(server.looks).toBeGreaterThan(looks)
  })

  test('frames come no faster than they may, however often the state changes', async () => {
    const every = 40
    const server = await PageServer.start(busyState(), { every })
    const frames = await Frames.open(`${server.url}/events`)
    await frames.next()
    const busy = setInterval(() => (server.state = withNotice(server.state, `at ${performance.now()}`)), 1)
    onTestFinished(() => clearInterval(busy))
    for (let count = 0; count < 5; count++) await frames.next()
    const gaps = server.lookedAt.slice(1).map((time, index) => time - (server.lookedAt[index] ?? NaN))
    // Timers count whole milliseconds, from when they were last due or called.
    expect(Math.min(...gaps)).toBeGreaterThan(every - 3)
  })

  test('many who watch cost one look', async () => {
    const server = await PageServer.start(busyState(), { every: 20 })
    const all = await Promise.all(Array.from({ length: 8 }, () => Frames.open(`${server.url}/events`)))
    await Promise.all(all.map((frames) => frames.next()))
    const { looks } = server
    server.state = withNotice(server.state, 'news')
    await Promise.all(all.map((frames) => frames.next()))
    for (const frames of all) expect(frames.sections).toEqual(sections(server.state))
    expect(server.looks - looks).toBeLessThan(8)
  })

  test('more than may watch are refused, until one of them leaves', async () => {
    const server = await PageServer.start(busyState(), { most: 1 })
    const frames = await Frames.open(`${server.url}/events`)
    expect((await fetch(`${server.url}/events`)).status).toBe(503)
    await frames.leave()
    await until('there is a place', () => server.page.watching === 0)
    await (await Frames.open(`${server.url}/events`)).next()
  })

  test('the end of the page ends every connection, so that its server can close', async () => {
    const server = await PageServer.start(busyState())
    const frames = await Frames.open(`${server.url}/events`)
    await frames.next()
    const other = connect({ port: server.port, host: '127.0.0.1' })
    other.write('GET /events HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n')
    other.resume()
    await until('it watches', () => server.page.watching === 2)
    await server.end()
    await expect(frames.next()).rejects.toThrow('the events ended')
    expect(server.page.watching).toBe(0)
  })
})

describe('a browser that does not read', () => {
  const LARGE = 'x'.repeat(250)

  /** Asks for the events and reads nothing until it is told to. */
  async function unread({ port }: PageServer): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1' }).pause()
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {}) // it may be let go
    socket.write('GET /events HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(socket, 'connect')
    return socket
  }

  /** Changes with every look, and fills what the system keeps for a socket in a few hundred of them. */
  function restless(server: PageServer): void {
    const quiet = server.state
    Object.defineProperty(server, 'state', {
      configurable: true,
      get: () => {
        const notices = Array.from({ length: 100 }, (_, index): State['notices'][number] => {
          return { kind: 'other', at: 0, path: '/x', text: `${server.looks} ${index} ${LARGE}` }
        })
        return { ...quiet, notices }
      },
    })
  }

  test('is let go after a while, and no more than one frame was kept for it', async () => {
    const server = await PageServer.start(busyState(), { every: 1, patience: 100 })
    restless(server)
    await unread(server)
    await until('it watches', () => server.page.watching === 1)
    const [response] = server.responses
    if (response === undefined) throw new Error('nobody was answered')
    let most = 0
    await until('it is let go', () => {
      most = Math.max(most, response.writableLength)
      return server.page.watching === 0
    })
    expect(response.destroyed).toBe(true)
    const frame = JSON.stringify(Object.fromEntries(sections(server.state))).length
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(2 * frame + response.writableHighWaterMark)
  })

  test('does not keep the server from closing', async () => {
    const server = await PageServer.start(busyState(), { every: 1, patience: 3_600_000 })
    restless(server)
    await unread(server)
    await until('its buffer is full', () => server.responses[0]?.writableNeedDrain === true)
    await server.end()
    expect(server.page.watching).toBe(0)
  })

  test('does not keep others from being served', async () => {
    const server = await PageServer.start(busyState(), { every: 1, patience: 3_600_000 })
    restless(server)
    await unread(server)
    await until('its buffer is full', () => server.responses[0]?.writableNeedDrain === true)
    const frames = await Frames.open(`${server.url}/events`)
    for (let count = 0; count < 10; count++) await frames.next()
    expect(server.responses[0]?.writableNeedDrain).toBe(true)
  })

  test('has missed frames when it reads again, and yet comes to what is now', async () => {
    const server = await PageServer.start(busyState(), { every: 1, patience: 3_600_000 })
    const quiet = server.state
    restless(server)
    const socket = await unread(server)
    await until('its buffer is full', () => server.responses[0]?.writableNeedDrain === true)
    const { looks } = server
    const other = await Frames.open(`${server.url}/events`)
    await until('frames were missed', () => server.looks > looks + 50)
    await other.leave()
    Object.defineProperty(server, 'state', { value: withNotice(quiet, 'the last of all'), writable: true })
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString())).resume()
    await until('it has the newest', () => text.includes('the last of all'))
    expect(text.match(/^data: /gm)?.length).toBeLessThan(looks + 50)
  })
})

test('a state that cannot be made does not end the gateway', async () => {
  const server = await PageServer.start(busyState())
  const frames = await Frames.open(`${server.url}/events`)
  await frames.next()
  const good = server.state
  Object.defineProperty(server, 'state', {
    configurable: true,
    get: () => {
      throw new Error('told to')
    },
  })
  const warned = once(process, 'warning') as Promise<[Error]>
  expect((await warned)[0].message).toContain('told to')
  expect((await fetch(server.url)).status).toBe(500)
  Object.defineProperty(server, 'state', { value: good, writable: true })
  expect(await (await fetch(server.url)).text()).toContain(documentOf(good).slice(0, 200))
  const again = await Frames.open(`${server.url}/events`)
  await again.next()
})
