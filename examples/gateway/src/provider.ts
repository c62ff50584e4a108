// The model, behind HTTP: slow, and now and then not there.

export interface Prompt {
  readonly session: string
  readonly text: string
  /** How many lines of the session it is told. */
  readonly lines: number
}

export interface Reply {
  readonly text: string
  /** Names of tools that are to be used before the answer is given. */
  readonly tools: readonly string[]
  /** So many sub-agents are to work for it afterwards. */
  readonly agents: number
}

export interface Provider {
  /** Rejects when the signal aborts, and when the provider cannot be had. */
  reply(prompt: Prompt, signal: AbortSignal): Promise<Reply>
}

const MOST_AGENTS = 16

export class HttpProvider implements Provider {
  private readonly url: URL

  constructor(url: URL) {
    this.url = url
  }

  async reply(prompt: Prompt, signal: AbortSignal): Promise<Reply> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(this.url, { method: 'POST', headers, body: JSON.stringify(prompt), signal })
    const body: unknown = await response.json()
    if (!response.ok || !isReply(body)) throw new Error(`The provider answered ${response.status} with no reply`)
    return body
  }
}

/** For a gateway without a provider: answers by itself. */
export class EchoProvider implements Provider {
  reply({ text, lines }: Prompt): Promise<Reply> {
    return Promise.resolve({ text: `After ${lines} lines you said: ${text}`, tools: [], agents: 0 })
  }
}

function isReply(body: unknown): body is Reply {
  if (typeof body !== 'object' || body === null) return false
  const { text, tools, agents } = body as Partial<Record<keyof Reply, unknown>>
  return typeof text === 'string' && isTexts(tools) && isNumberOfAgents(agents)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function isNumberOfAgents(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_AGENTS
}
