// The other process: it holds locks that this one waits for, and finds out whether a lock is really held or really free.
// No fault happens to it.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { acquire, tryAcquire, type Hold } from 'holdfast'

/** A lock that is free goes to the peer long before. */
const PATIENCE = 10_000

type Command =
  /** Takes the lock, and keeps it. */
  | 'hold'
  /** Lets go what it holds. */
  | 'release'
  /** Whether it could have the lock at this moment. */
  | 'tries'
  /** Waits for the lock and lets it go at once: in how many milliseconds it came; -1 if it did not. */
  | 'gets'

interface Ask {
  readonly command: Command
  readonly path: string
}

type Answer = number | boolean | null

export class Peer {
  private readonly process: ChildProcess

  private constructor(process: ChildProcess) {
    this.process = process
  }

  static async start(): Promise<Peer> {
    const env = { ...process.env, LD_PRELOAD: '' }
    const child = fork(fileURLToPath(import.meta.url), ['peer'], { env })
    await once(child, 'message')
    return new Peer(child)
  }

  hold(path: string): Promise<unknown> {
    return this.ask('hold', path)
  }

  release(): Promise<unknown> {
    return this.ask('release', '')
  }

  async tries(path: string): Promise<boolean> {
    return (await this.ask('tries', path)) === true
  }

  async gets(path: string): Promise<number> {
    return Number(await this.ask('gets', path))
  }

  end(): void {
    this.process.disconnect()
  }

  /** One at a time. */
  private async ask(command: Command, path: string): Promise<Answer> {
    const answer = once(this.process, 'message') as Promise<[Answer]>
    this.process.send({ command, path } satisfies Ask)
    return (await answer)[0]
  }
}

const holds: Hold[] = []

async function answer({ command, path }: Ask): Promise<Answer> {
  switch (command) {
    case 'hold':
      holds.push(await acquire(path, { timeout: PATIENCE }))
      return null
    case 'release':
      for (const hold of holds.splice(0)) hold.release()
      return null
    case 'tries': {
      const hold = tryAcquire(path)
      hold?.release()
      return hold !== null
    }
    case 'gets': {
      const begin = performance.now()
      try {
        ;(await acquire(path, { timeout: PATIENCE })).release()
        return performance.now() - begin
      } catch {
        return -1
      }
    }
  }
}

if (process.argv[2] === 'peer') {
  process.on('message', (ask: Ask) => void answer(ask).then((value) => process.send?.(value)))
  process.once('disconnect', () => process.exit())
  process.send?.('ready')
}
