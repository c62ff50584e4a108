// The gateway over HTTP, on loopback:
//
//   POST /sessions/<id>/messages  { id, text }   202 once the message is on the device; sent again, it is one message
//   GET  /sessions/<id>                          how many messages were answered, and how many wait
//   GET  /                                       the page
import { once, setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { GatewayClosedError, type Gateway } from './gateway.js'
import { textOf, type Log } from './log.js'
import type { Page } from './page/routes.js'
import { messageIn, refuseStrangers, RequestError, sessionIn } from './requests.js'
import { KeyTakenError } from './session.js'

export interface Listening {
  readonly url: string
  /** Takes no more requests. Those that have come are answered; nobody is waited for whose request has not. */
  close(): Promise<void>
}

export async function listen(gateway: Gateway, page: Page, port: number, log: Log): Promise<Listening> {
  const ending = new AbortController()
  setMaxListeners(0, ending.signal) // one for each request
  const answering = new Set<Promise<void>>()
  const server = createServer((request, response) => {
    const answered = respond(gateway, page, request, response, log, ending.signal)
    answering.add(answered)
    void answered.finally(() => answering.delete(answered))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    ending.abort(new GatewayClosedError())
    await Promise.all(answering)
    server.closeAllConnections() // of those who ask nothing, or never come to an end
    await closed
  }
  return { url: `http://127.0.0.1:${portOf(server)}`, close }
}

async function respond(
  gateway: Gateway,
  page: Page,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
  ending: AbortSignal,
): Promise<void> {
  try {
    refuseStrangers(request)
    if (page.handle(request, response)) return
    const [status, body] = await answerOf(gateway, request, ending)
    send(response, status, body)
  } catch (error) {
    const { status, code } = refusalOf(error)
    if (status >= 500) log('request failed', { method: request.method, url: request.url, error: textOf(error) })
    send(response, status, { error: { code, message: error instanceof Error ? error.message : String(error) } })
    request.resume() // what of it was not read
  }
}

async function answerOf(
  gateway: Gateway,
  request: IncomingMessage,
  ending: AbortSignal,
): Promise<[status: number, body: object]> {
  const [pathname = '/'] = (request.url ?? '/').split('?', 1)
  const [, root, name = '', part, more] = pathname.split('/')
  if (root !== 'sessions' || name === '' || more !== undefined) throw notFound(pathname)
  const session = sessionIn(name)
  if (part === undefined && request.method === 'GET') {
    const state = gateway.state.sessions.find(({ id }) => id === session)
    if (state === undefined) throw notFound(pathname)
    return [200, { id: state.id, answered: state.answered, unanswered: state.unanswered }]
  }
  if (part !== 'messages') throw notFound(pathname)
  if (request.method !== 'POST') throw new RequestError(405, 'BAD_METHOD', `Expected POST ${pathname}`)
  const message = await unless(ending, messageIn(request))
  await gateway.accept(session, message)
  return [202, { id: message.key }]
}

function refusalOf(error: unknown): { status: number; code: string } {
  if (error instanceof RequestError) return error
  if (error instanceof KeyTakenError) return { status: 409, code: 'ID_TAKEN' }
  if (error instanceof GatewayClosedError) return { status: 503, code: error.code }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'NOT_WRITTEN'
  return { status: 503, code }
}

function notFound(pathname: string): RequestError {
  return new RequestError(404, 'NOT_FOUND', `There is no ${pathname}`)
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}

function portOf(server: Server): number {
  const address = server.address()
  return isInternet(address) ? address.port : 0
}

function isInternet(address: ReturnType<Server['address']>): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let end = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => (end = () => reject(signal.reason as Error)))
  signal.addEventListener('abort', end)
  try {
    if (signal.aborted) end()
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
