// A client of the gateway, and traffic made of it: the same for the same seed.
import { setTimeout as pause } from 'node:timers/promises'

/** What became of a message, as its sender knows it. */
export interface Sent {
  readonly session: string
  readonly key: string
  readonly text: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The gateway said that it has it. */
  acknowledged: boolean
  /** The gateway said why it has not. */
  refusal?: string
}

/** Milliseconds between two tries while no gateway is there. */
const RETRY = 50
/** Milliseconds after which it is given up. */
const PATIENCE = 60_000

export class Client {
  readonly sent: Sent[] = []
  private readonly name: string
  private readonly url: () => string
  private readonly closing = new AbortController()
  private readonly tries = new Set<AbortController>()
  private readonly under = new Set<Promise<void>>()

  constructor(name: string, url: () => string) {
    this.name = name
    this.url = url
  }

  /**
   * Resolves when the gateway has answered for the message, either way. While there is no gateway it is sent again and again,
   * with the same id, for a minute. Nobody waits for anybody else: messages that are sent at once may come in any order.
   */
  async send(session: string, text: string): Promise<Sent> {
    const sent: Sent = { session, text, key: `${this.name}-${this.sent.length}`, at: Date.now(), acknowledged: false }
    this.sent.push(sent)
    const delivery = this.deliver(sent)
    this.under.add(delivery)
    await delivery
    this.under.delete(delivery)
    return sent
  }

  /** Resolves when every message has been answered for. */
  async settled(): Promise<void> {
    await Promise.all(this.under)
  }

  /** Gives up what the gateway has not answered for, and sends nothing more. */
  close(): void {
    this.closing.abort()
    for (const giveUp of this.tries) giveUp.abort()
  }

  private async deliver(sent: Sent): Promise<void> {
    const { signal } = this.closing
    const end = performance.now() + PATIENCE
    while (!signal.aborted && performance.now() < end) {
      if (await this.isAnsweredFor(sent)) return
      await pause(RETRY, undefined, { signal }).catch(() => {})
    }
    sent.refusal = 'Nobody was there to take it'
  }

  /** One try. False if nobody is there, or was killed before it could answer, or is about to end. */
  private async isAnsweredFor(sent: Sent): Promise<boolean> {
    const body = JSON.stringify({ id: sent.key, text: sent.text })
    const giveUp = new AbortController() // one for each: listeners of a try stay with its signal
    this.tries.add(giveUp)
    try {
      const response = await fetch(new URL(`/sessions/${sent.session}/messages`, this.url()), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: giveUp.signal,
      })
      const answer = (await response.json()) as { error?: { code: string; message: string } }
      if (answer.error?.code === 'GATEWAY_CLOSED') return false
      sent.acknowledged = response.ok
      if (answer.error !== undefined) sent.refusal = answer.error.message
      return true
    } catch {
      return false
    } finally {
      this.tries.delete(giveUp)
    }
  }
}

export interface Traffic {
  readonly sessions: readonly string[]
  /** Messages a second. */
  readonly rate: number
  readonly seed: number
  readonly signal: AbortSignal
}

/** Sends messages until the signal aborts, at times and to sessions that the seed decides. */
export async function traffic(client: Client, { sessions, rate, seed, signal }: Traffic): Promise<void> {
  const random = randomOf(seed)
  const pauseOver = (wait: number) => pause(wait, true, { signal }).catch(() => false)
  while (await pauseOver((-Math.log(1 - random()) * 1000) / rate)) {
    const session = sessions[Math.floor(random() * sessions.length)] ?? ''
    const think = `[think=${Math.floor(random() * 60)}]`
    const agents = random() < 0.1 ? ' [agents=1]' : ''
    void client.send(session, think + agents)
  }
}

/** Numbers from 0 to 1, the same ones for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
