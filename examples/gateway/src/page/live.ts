// Sends the sections that have changed to every browser that watches, as server-sent events. Nothing is looked at while
// nobody watches; a browser that reads slowly misses frames and gets the newest state next, so no more than one frame waits
// for each; one that does not read at all is let go.
import type { ServerResponse } from 'node:http'

import { sectionsOf } from './view.js'
import type { State } from './state.js'

export interface LiveOptions {
  /** Milliseconds between frames, at least. */
  every?: number
  /** After so many milliseconds without a read a browser is let go. */
  patience?: number
  /** After so many milliseconds without a change something is sent, so that a dead connection is noticed. */
  heartbeat?: number
  /** So many browsers at once. */
  most?: number
}

/** When a browser comes back after the connection was lost, in milliseconds. */
const RETRY = 1_000

interface Frame {
  readonly now: number
  readonly sections: ReadonlyMap<string, string>
}

export class Live {
  private readonly state: () => State
  private readonly every: number
  private readonly patience: number
  private readonly heartbeat: number
  private readonly most: number
  private readonly clients = new Set<Client>()
  private timer: NodeJS.Timeout | undefined
  private closed = false

  constructor(
    state: () => State,
    { every = 250, patience = 10_000, heartbeat = 15_000, most = 100 }: LiveOptions = {},
  ) {
    this.state = state
    this.every = every
    this.patience = patience
    this.heartbeat = heartbeat
    this.most = most
  }

  get watching(): number {
    return this.clients.size
  }

  /** Answers the request; the state follows with the next frame. */
  attach(response: ServerResponse): void {
    if (this.closed || this.clients.size >= this.most) {
      response.writeHead(503, { 'retry-after': '1' }).end()
      return
    }
    const client = new Client(response)
    this.clients.add(client)
    response.on('close', () => this.detach(client))
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', connection: 'close' })
    client.write(`retry: ${RETRY}\n\n`)
    this.timer ??= setInterval(() => this.tick(), this.every).unref()
  }

  /** Ends every connection, at once and also where nobody reads, so that the server can close. Browsers try to come back. */
  close(): void {
    this.closed = true
    for (const client of this.clients) {
      if (client.response.writableLength > 0) client.response.destroy()
      else client.response.end()
      this.detach(client)
    }
  }

  private detach(client: Client): void {
    this.clients.delete(client)
    if (this.clients.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }

  private tick(): void {
    const ready = [...this.clients].filter((client) => client.isReady(this.patience))
    if (ready.length === 0) return
    try {
      const frame = this.frame()
      for (const client of ready) client.send(frame, this.heartbeat)
    } catch (error) {
      // A page that cannot be made is no reason to end a gateway. Those who watch see that the connection is lost.
      process.emitWarning(error instanceof Error ? error : String(error))
      for (const { response } of this.clients) response.destroy()
    }
  }

  /** Ages are left out: browsers count them on by themselves, so what only grew older has not changed. */
  private frame(): Frame {
    const state = this.state()
    const markup = [...sectionsOf({ ...state, now: 0 })].map(([id, section]): [string, string] => [
      id,
      section.toString(),
    ])
    return { now: state.now, sections: new Map(markup) }
  }
}

class Client {
  readonly response: ServerResponse
  private sent: ReadonlyMap<string, string> = new Map()
  private last = performance.now()
  private fullSince: number | null = null

  constructor(response: ServerResponse) {
    this.response = response
  }

  /** Whether it has read what it was sent. */
  isReady(patience: number): boolean {
    if (!this.response.writableNeedDrain) {
      this.fullSince = null
      return !this.response.destroyed
    }
    this.fullSince ??= performance.now()
    if (performance.now() - this.fullSince >= patience) this.response.destroy()
    return false
  }

  send({ now, sections }: Frame, heartbeat: number): void {
    const changed = [...sections].filter(([id, markup]) => this.sent.get(id) !== markup)
    this.sent = sections
    if (changed.length > 0) this.write(`data: ${JSON.stringify({ now, sections: Object.fromEntries(changed) })}\n\n`)
    else if (performance.now() - this.last >= heartbeat) this.write(':\n\n')
  }

  write(text: string): void {
    this.last = performance.now()
    this.response.write(text)
  }
}
