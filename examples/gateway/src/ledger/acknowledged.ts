// What the program has promised: every line that was appended and every update that was made is noted in a log of its own,
// after its promise has resolved and before anybody else can act on it. The ledger holds the files to it.
//
// The log says less than was done, never more: a process that is killed between the two has promised nothing. Nor has one
// that is killed in the middle of a line of the log.
import { randomUUID } from 'node:crypto'
import { appendFileSync, existsSync } from 'node:fs'

import type { Files, SessionFiles, Turn } from '../files.js'
import type { Line } from '../lines.js'

/** A line of the log. */
export type Acknowledged = AcknowledgedLine | AcknowledgedUpdates

export interface AcknowledgedLine {
  readonly session: string
  readonly key: string
  readonly type: Line['type']
  /** When the line was made, by its own `at`. */
  readonly at: number
  readonly to?: string
  readonly agent?: number
  readonly agents?: number
  readonly failed?: true
}

/** The store's `writers[writer]` is at least `count`. */
export interface AcknowledgedUpdates {
  readonly writer: string
  readonly count: number
}

type Note = (acknowledged: Acknowledged) => void

/** The same files. To be opened once in each process: the log may be shared by processes that come one after another. */
export function acknowledging(files: Files, log: string): Files {
  // What somebody was writing when he was killed becomes a line of its own.
  if (existsSync(log)) appendFileSync(log, '\n')
  const note: Note = (acknowledged) => appendFileSync(log, `${JSON.stringify(acknowledged)}\n`)
  // Not its process id alone: that may be another one's, later or in another container.
  const writer = `${process.pid}-${randomUUID()}`
  let count = 0
  return {
    sessions: () => files.sessions(),
    open: async (session) => new AcknowledgingSession(await files.open(session), session, note),
    async update(change, signal) {
      await files.update((store) => {
        change(store)
        store.writers[writer] = (store.writers[writer] ?? 0) + 1
      }, signal)
      note({ writer, count: ++count })
    },
    browser: (lane) => files.browser(lane),
    close: () => files.close(),
  }
}

class AcknowledgingSession implements SessionFiles {
  private readonly files: SessionFiles
  private readonly session: string
  private readonly note: Note

  constructor(files: SessionFiles, session: string, note: Note) {
    this.files = files
    this.session = session
    this.note = note
  }

  async append(...request: Parameters<SessionFiles['append']>): Promise<void> {
    await this.files.append(...request)
    this.acknowledge(request[0])
  }

  read(): ReturnType<SessionFiles['read']> {
    return this.files.read()
  }

  follow(...request: Parameters<SessionFiles['follow']>): ReturnType<SessionFiles['follow']> {
    return this.files.follow(...request)
  }

  async turn(...request: Parameters<SessionFiles['turn']>): Promise<Turn> {
    const turn = await this.files.turn(...request)
    return {
      recoveredFrom: turn.recoveredFrom,
      append: async (line) => {
        await turn.append(line)
        this.acknowledge(line)
      },
      end: () => turn.end(),
    }
  }

  cutOff(): ReturnType<SessionFiles['cutOff']> {
    return this.files.cutOff()
  }

  compact(...request: Parameters<SessionFiles['compact']>): Promise<void> {
    return this.files.compact(...request)
  }

  close(): Promise<void> {
    return this.files.close()
  }

  private acknowledge(line: Line): void {
    const { key, type, at } = line
    this.note({ session: this.session, key, type, at, ...aboutRun(line) })
  }
}

/** What the ledger must know of a line even where a compaction has taken it out. */
function aboutRun(line: Line): Pick<AcknowledgedLine, 'to' | 'agent' | 'agents' | 'failed'> {
  switch (line.type) {
    case 'message':
    case 'summary':
      return {}
    case 'answer':
      return { to: line.to, agents: line.agents, ...(line.failed === true && { failed: true }) }
    case 'report':
      return { to: line.to, agent: line.agent, ...(line.failed === true && { failed: true }) }
    case 'note':
    case 'resumed':
      return { to: line.to }
  }
}
