// The gateway's files on holdfast: transcripts and a store that all processes may write at once, and turns that the kernel
// takes back from whoever dies.
import { readdir } from 'node:fs/promises'

import { acquire, inspect, type Hold, type LockRecord } from 'holdfast'
import {
  isSessionError,
  openStore,
  openTranscript,
  type AppendOptions,
  type Store as JsonStore,
  type Transcript,
} from 'holdfast/session'

import type { Files, SessionFiles, Store, Turn, TurnName } from './files.js'
import type { Lane } from './lanes.js'
import { isLine, type Line } from './lines.js'
import { browserOf, sessionOf, storeOf, transcriptOf, turnOf } from './places.js'

/** A store that is no store any more keeps nobody from the sessions: its bytes are put aside. */
export async function openFiles(folder: string): Promise<Files> {
  const initial: Store = { sessions: {}, writers: {} }
  const store = await openStore<Store>(storeOf(folder), { initial, validate: isStore, onUnreadable: 'start-anew' })
  return new HoldfastFiles(folder, store)
}

function isStore(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { sessions, writers } = value as Partial<Record<keyof Store, unknown>>
  return [sessions, writers].every((part) => typeof part === 'object' && part !== null)
}

class HoldfastFiles implements Files {
  private readonly folder: string
  private readonly store: JsonStore<Store>

  constructor(folder: string, store: JsonStore<Store>) {
    this.folder = folder
    this.store = store
  }

  async sessions(): Promise<string[]> {
    return (await readdir(this.folder)).map(sessionOf).filter((session) => session !== null)
  }

  async open(session: string): Promise<SessionFiles> {
    return new HoldfastSession(this.folder, session, await openTranscript<Line>(transcriptOf(this.folder, session)))
  }

  async update(change: (store: Store) => void, signal?: AbortSignal): Promise<void> {
    await this.store.update(
      (store) => {
        change(store)
      },
      { signal },
    )
  }

  async browser({ owner }: Lane): Promise<() => void> {
    const hold = await acquire(browserOf(this.folder), { owner, timeout: Infinity, label: 'browser' })
    return () => hold.release()
  }

  close(): Promise<void> {
    return this.store.close()
  }
}

class HoldfastSession implements SessionFiles {
  private readonly folder: string
  private readonly session: string
  private transcript: Transcript<Line>
  private reopening: Promise<void> | null = null

  constructor(folder: string, session: string, transcript: Transcript<Line>) {
    this.folder = folder
    this.session = session
    this.transcript = transcript
  }

  append(line: Line, signal?: AbortSignal): Promise<void> {
    return this.put(line, { signal })
  }

  put(line: Line, options: AppendOptions): Promise<void> {
    return this.write((transcript) => transcript.append(line, options))
  }

  async read(): Promise<Line[]> {
    const lines = []
    for await (const line of this.transcript.read()) {
      if (line.kind === 'value' && isLine(line.value)) lines.push(line.value)
    }
    return lines
  }

  async *follow(signal: AbortSignal): AsyncGenerator<Line | null> {
    for await (const line of this.transcript.read({ follow: true, signal })) {
      if (line.kind === 'value' && isLine(line.value)) yield line.value
      if (line.kind === 'reset') yield null
    }
  }

  /** Without a time-out of its own: the lane's time is the only one, for whoever waits and for whoever holds. */
  async turn(name: TurnName, lane: Lane): Promise<Turn> {
    const path = turnOf(this.folder, this.session, name)
    return new HoldfastTurn(await acquire(path, { owner: lane.owner, timeout: Infinity, label: name }), this, lane)
  }

  cutOff(): string | null {
    const { state, record } = inspect(turnOf(this.folder, this.session, 'main'))
    return state === 'abandoned' && record !== null ? described(record) : null
  }

  async compact(shorten: (lines: Line[]) => Promise<Line[] | null>): Promise<void> {
    const before = this.transcript.read()
    const lines: Line[] = []
    for await (const line of before) {
      if (line.kind !== 'value' || !isLine(line.value)) return // something is wrong with the file, and is to be seen by somebody
      lines.push(line.value)
    }
    const short = await shorten(lines) // as long as it takes: nobody waits for it
    if (short === null) return
    try {
      await this.write((transcript) => transcript.compact(short, { expect: before.version }))
    } catch (error) {
      // Another process has compacted it meanwhile.
      if (!isSessionError(error, 'ERR_SESSION_CONFLICT')) throw error
    }
  }

  close(): Promise<void> {
    return this.transcript.close()
  }

  /**
   * After a sync that failed nobody knows what the device has. The transcript writes no more until it is opened again, which
   * compares. Whether this line is there, whoever asked for it finds out by reading.
   */
  private async write(write: (transcript: Transcript<Line>) => Promise<unknown>): Promise<void> {
    const { transcript } = this
    try {
      await write(transcript)
    } catch (error) {
      if (isSessionError(error, 'ERR_SESSION_FAILED') && transcript === this.transcript) {
        this.reopening ??= this.reopen().finally(() => {
          this.reopening = null
        })
        await this.reopening
      }
      throw error
    }
  }

  private async reopen(): Promise<void> {
    const failed = this.transcript
    this.transcript = await openTranscript<Line>(failed.path)
    await failed.close()
  }
}

class HoldfastTurn implements Turn {
  readonly recoveredFrom: string | null
  private readonly hold: Hold
  private readonly files: HoldfastSession
  private readonly lane: Lane

  constructor(hold: Hold, files: HoldfastSession, lane: Lane) {
    this.recoveredFrom = hold.recoveredFrom === null ? null : described(hold.recoveredFrom)
    this.hold = hold
    this.files = files
    this.lane = lane
  }

  /**
   * In a guard: once the line is on its way the turn stays ours until it is written, whatever ends the lane. So whoever has
   * the turn next finds it in the file, and does not write it again. And not if somebody has deleted the lock file, which
   * is the one thing that lets two have a turn.
   */
  async append(line: Line): Promise<void> {
    const { owner, signal } = this.lane
    await this.hold.guard(() => {
      this.hold.assertHeld()
      return this.files.put(line, { owner, signal })
    })
  }

  end(): void {
    this.hold.release()
  }
}

function described({ pid, owner, state, reason }: LockRecord): string {
  return `pid ${pid} ${owner ?? ''} (${state === 'held' ? 'ended with its process' : reason})`
}
