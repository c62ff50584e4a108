// The page on a server of its own, with a state that the test sets.
import { createServer, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'

import { onTestFinished } from 'vitest'

import type { LiveOptions } from '../../../examples/gateway/src/page/live.js'
import { Page } from '../../../examples/gateway/src/page/routes.js'
import type { State } from '../../../examples/gateway/src/page/state.js'

export class PageServer {
  readonly page: Page
  readonly server: Server
  /** Every response that was made, the oldest first. */
  readonly responses: ServerResponse[] = []
  /** Paths that were asked for. */
  readonly asked: string[] = []
  state: State
  /** When somebody looked at the state. */
  readonly lookedAt: number[] = []

  private constructor(state: State, options: LiveOptions) {
    this.state = state
    this.page = new Page(() => {
      this.lookedAt.push(performance.now())
      return { ...this.state, now: Date.now() }
    }, options)
    this.server = createServer((request, response) => {
      this.responses.push(response)
      this.asked.push(request.url ?? '')
      if (!this.page.handle(request, response)) response.writeHead(404).end('not the page')
    })
  }

  static async start(state: State, options: LiveOptions & { port?: number } = {}): Promise<PageServer> {
    const started = new PageServer(state, { every: 5, ...options })
    started.server.keepAliveTimeout = 3_600_000 // so that nothing ends because somebody has waited for it
    started.server.listen(options.port ?? 0, '127.0.0.1')
    await once(started.server, 'listening')
    onTestFinished(async () => {
      started.page.close()
      started.server.closeAllConnections()
      await new Promise((resolve) => started.server.close(resolve))
    })
    return started
  }

  /** How often somebody looked at the state. */
  get looks(): number {
    return this.lookedAt.length
  }

  get port(): number {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('the server does not listen')
    return address.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** As a gateway ends: it takes no more requests, and then lets those go who watch. */
  async end(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeIdleConnections()
    this.page.close()
    await closed
  }
}
