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
    if (path === '/events' && request.method === 'GET') this.live.attach(response)
    else this.answer(response, path, asset)
    return true
  }

  /** Ends what would keep the server from closing. */
  close(): void {
    this.live.close()
  }

  private answer(response: ServerResponse, path: string, asset: string | undefined): void {
    try {
      const [type, body] = asset === undefined ? this.made(path) : [asset, assetAt(path)]
      response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
    } catch (error) {
      // A page that cannot be made is no reason to end a gateway.
      process.emitWarning(error instanceof Error ? error : String(error))
      response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end('the page could not be made\n')
    }
  }

  private made(path: string): [type: string, body: string] {
    if (path === '/events') return ['text/event-stream; charset=utf-8', '']
    if (path === '/state') return ['application/json; charset=utf-8', JSON.stringify(this.state())]
    return ['text/html; charset=utf-8', documentOf(this.state())]
  }
}

/** The same place seen from the sources and from what is compiled. */
function assetAt(path: string): Buffer {
  return readFileSync(new URL(`../../assets${path}`, import.meta.url))
}
