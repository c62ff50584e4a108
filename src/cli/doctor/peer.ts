// The other process: this program once more, which takes and gives back locks as it is told. It ends when nobody is left to
// tell it.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

import { acquire, tryAcquire, type Hold } from '../../index.js'

type Mode = 'exclusive' | 'shared'

interface Order {
  readonly what: 'try' | 'acquire' | 'release'
  readonly path: string
  readonly mode: Mode
}

interface Answer {
  readonly held: boolean
  /** By the clock that all processes of the machine share, in nanoseconds. */
  readonly at: string
}

/** Milliseconds after which something is wrong. */
export const PATIENCE = 10_000

export class Peer {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  static async start(): Promise<Peer> {
    const [, program = ''] = process.argv
    const execArgv = process.execArgv.filter((option) => !option.startsWith('--inspect'))
    const child = fork(program, ['doctor', PEER], { execArgv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    const peer = new Peer(child)
    try {
      await peer.#answer()
    } catch (error) {
      peer.kill()
      throw error
    }
    return peer
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Resolves to when it had the lock, or to null where it had not. */
  async ask(what: Order['what'], path: string, mode: Mode = 'exclusive'): Promise<bigint | null> {
    const answer = this.#answer()
    this.#process.send({ what, path, mode } satisfies Order)
    const { held, at } = await answer
    return held ? BigInt(at) : null
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async #answer(): Promise<Answer> {
    const signal = AbortSignal.timeout(PATIENCE)
    const settled = new AbortController()
    const over = AbortSignal.any([signal, settled.signal])
    const ended = once(this.#process, 'exit', { signal: over }).then(() =>
      Promise.reject(new Error('the other process ended')),
    )
    try {
      const [answer] = (await Promise.race([once(this.#process, 'message', { signal: over }), ended])) as [Answer]
      return answer
    } finally {
      settled.abort()
      ended.catch(() => undefined)
    }
  }
}

/** The argument by which this program is the other process. */
export const PEER = '--peer'

export async function runAsPeer(): Promise<void> {
  let hold: Hold | null = null
  const answer = (): void => {
    process.send?.({ held: hold !== null, at: String(process.hrtime.bigint()) } satisfies Answer)
  }
  process.on('message', ({ what, path, mode }: Order) => {
    if (what === 'acquire') {
      void acquire(path, { mode, timeout: PATIENCE }).then(
        (granted) => {
          hold = granted
          answer()
        },
        () => answer(),
      )
      return
    }
    hold?.release()
    hold = what === 'try' ? tryAcquire(path, { mode }) : null
    answer()
  })
  answer()
  await once(process, 'disconnect')
}
