// The model of the demo: a server that answers after a while, and does what a message tells it to, in brackets:
//
//   [think=120]   takes so many milliseconds
//   [agents=5]    asks for so many sub-agents
//   [tool=deaf]   asks for a tool
//   [drop]        never answers: the network has failed
//   [slow=2500]   takes so many milliseconds the first time
//
// Tools and failures come with the first run of a message alone, so that the run that follows it can succeed.
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

import type { Prompt, Reply } from '../provider.js'

/** Milliseconds, unless the message says it. */
const THINK = { message: 40, subAgent: 120, summary: 150 }

export class ProviderServer extends EventEmitter<{ dropped: [session: string] }> {
  private readonly server = createServer((request, response) => void this.respond(request, response))
  private readonly seen = new Set<string>()

  /** Resolves to its URL. */
  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('Expected a port')
    return `http://127.0.0.1:${address.port}`
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces = await request.toArray()
    const prompt = JSON.parse(Buffer.concat(pieces as Uint8Array[]).toString()) as Prompt
    const first = !this.seen.has(`${prompt.session} ${prompt.text}`)
    this.seen.add(`${prompt.session} ${prompt.text}`)
    const wishes = new Map(
      Array.from(prompt.text.matchAll(/\[(\w+)(?:=([^\]]*))?\]/g), ([, name, value]) => [name, value]),
    )
    if (first && wishes.has('drop')) {
      this.emit('dropped', prompt.session)
      return
    }
    const tool = first ? wishes.get('tool') : undefined
    const slow = first ? wishes.get('slow') : undefined
    await pause(Number(slow ?? wishes.get('think') ?? THINK[kindOf(prompt)]))
    const text = `${prompt.text}: after ${prompt.lines} lines`
    const reply: Reply = { text, tools: tool === undefined ? [] : [tool], agents: Number(wishes.get('agents') ?? 0) }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(reply))
  }
}

function kindOf({ text }: Prompt): keyof typeof THINK {
  if (text.startsWith('summary')) return 'summary'
  return /^(exec|browse|remember) \d+$/.test(text) ? 'subAgent' : 'message'
}
