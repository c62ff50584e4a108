// What may be asked of the server, and what is said to everything else.
import type { IncomingMessage } from 'node:http'

import { isSession } from './places.js'

/** A request that is refused: `status` and `code` are the answer. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const LONGEST_BODY = 64 * 1024
const LONGEST_KEY = 128

/**
 * The gateway speaks for whoever runs it. Pages of other sites, which his browser could make ask, are refused: those that came
 * by a name of theirs for this machine, and those that ask from their own.
 */
export function refuseStrangers({ headers }: IncomingMessage): void {
  const { host = '', origin } = headers
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) {
    throw new RequestError(421, 'BAD_HOST', 'Expected a Host of 127.0.0.1 or localhost')
  }
  const site = headers['sec-fetch-site'] ?? 'none'
  const isOwn = (origin ?? `http://${host}`) === `http://${host}` && (site === 'none' || site === 'same-origin')
  if (!isOwn) throw new RequestError(403, 'BAD_ORIGIN', 'Expected no request of another site')
}

export function sessionIn(text: string): string {
  if (isSession(text)) return text
  throw new RequestError(400, 'BAD_SESSION', 'Expected a session of 1 to 64 small letters, digits and dashes inside')
}

/** `{ id, text }`, as JSON. */
export async function messageIn(request: IncomingMessage): Promise<{ key: string; text: string }> {
  if (request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new RequestError(415, 'BAD_TYPE', 'Expected a body of the type application/json')
  }
  const body = parsed(await bodyOf(request))
  if (typeof body !== 'object' || body === null) throw badMessage('Expected an object')
  const { id, text } = body as { id?: unknown; text?: unknown }
  if (typeof id !== 'string' || id === '' || id.length > LONGEST_KEY) {
    throw badMessage(`Expected an id of 1 to ${LONGEST_KEY} characters`)
  }
  if (typeof text !== 'string') throw badMessage('Expected a text')
  return { key: id, text }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = []
  let length = 0
  // Whoever sends too much is to hear of it, so the connection stays when the loop is left.
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > LONGEST_BODY) throw new RequestError(413, 'TOO_LONG', `Expected at most ${LONGEST_BODY} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw badMessage('Expected JSON')
  }
}

function badMessage(message: string): RequestError {
  return new RequestError(400, 'BAD_MESSAGE', message)
}
