// A model whose answers the test decides: for a gateway of this process, and over HTTP for other processes.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

import { onTestFinished } from 'vitest'

import type { Prompt, Provider, Reply } from '../../../examples/gateway/src/provider.js'
import { until } from '../../helpers/until.js'

export type Thought = Partial<Reply> | Promise<Partial<Reply>>

export class Model implements Provider {
  /** What it was asked, the first prompt first. */
  readonly prompts: Prompt[] = []
  /** What it answers; of what is not said here, the usual. */
  think: (prompt: Prompt) => Thought

  constructor(think: (prompt: Prompt) => Thought = () => ({})) {
    this.think = think
  }

  /** Deaf to the signal: a lane must end without its help. */
  async reply(prompt: Prompt): Promise<Reply> {
    this.prompts.push(prompt)
    return { text: `to ${prompt.text}`, tools: [], agents: 0, ...(await this.think(prompt)) }
  }

  /** How often it was asked for that. */
  times(text: string): number {
    return this.prompts.filter((prompt) => prompt.text === text).length
  }

  async asked(text: string, times = 1): Promise<void> {
    await until(`the model is asked for ${text}`, () => this.times(text) >= times)
  }

  /** Resolves to its URL. A thought that is rejected is answered by 500. */
  async listen(): Promise<string> {
    const server = createServer((request, response) => void this.respond(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the model does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const pieces: Uint8Array[] = []
      for await (const piece of request as AsyncIterable<Uint8Array>) pieces.push(piece)
      const reply = await this.reply(JSON.parse(Buffer.concat(pieces).toString()) as Prompt)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(reply))
    } catch (error) {
      response.writeHead(500).end(JSON.stringify({ error: String(error) }))
    }
  }
}

export function never(): Promise<never> {
  return new Promise(() => {})
}

/** Something that is awaited until the test opens it. */
export class Gate {
  readonly opened: Promise<void>
  open: () => void = () => {}

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve))
  }
}
