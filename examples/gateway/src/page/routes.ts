// What the server answers for the page: the page itself, its two scripts and its style, the events that keep it up to date, and
// its state as JSON. Whatever the page shows, the browser runs and loads nothing but what is named here.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { Live, type LiveOptions } from './live.js'
import type { State } from './state.js'
import { documentOf } from './view.js'

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
}

const ASSETS: ReadonlyMap<string, string> = new Map([
  ['/page.css', 'text/css; charset=utf-8'],
  ['/page.js', 'text/javascript; charset=utf-8'],
  ['/duration.js', 'text/javascript; charset=utf-8'],
])

export class Page {
  private readonly state: () => State
  private readonly live: Live

  constructor(state: () => State, options?: LiveOptions) {
    this.state = state
    this.live = new Live(state, options)
  }

  /** Browsers that watch now. */
  get watching(): number {
    return this.live.watching
  }

  /** Answers the request if it is for the page; false if it is for somebody else. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const path = request.url?.split('?', 1)[0] ?? ''
    const asset = ASSETS.get(path)
    if (asset === undefined && path !== '/' && path !== '/state' && path !== '/events') return false
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    if (asset !== undefined) answer(response, asset, readFileSync(new URL(`../../assets${path}`, import.meta.url)))
    else if (path === '/') answer(response, 'text/html; charset=utf-8', documentOf(this.state()))
    else if (path === '/state') answer(response, 'application/json; charset=utf-8', JSON.stringify(this.state()))
    else if (request.method === 'HEAD') answer(response, 'text/event-stream; charset=utf-8', '')
    else this.live.attach(response)
    return true
  }

  /** Ends what would keep the server from closing. */
  close(): void {
    this.live.close()
  }
}

function answer(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}
