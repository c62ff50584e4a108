// What is written down while it happens: one record of fixed size an event, one write a record, so that a log ends at the
// latest thing its thread has done, however that thread ends. Times are CLOCK_MONOTONIC, one clock for the whole machine.
//
// A time says on which side of its step it was taken: "before" a step that may end something, "after" one that may begin
// something. So what lies between two records is certain, and what is not certain is never claimed.
import { writeSync } from 'node:fs'

export const KIND = {
  /** A thread begins: `a` is its process id. */
  hello: 1,
  /** Nothing happened, and the event loop turned. */
  beat: 2,
  /** Before a request; its id is also that of the hold it may become. `a` is the time-out. */
  ask: 3,
  /** Before an acquireAll(); `a` is a mask of files. */
  askAll: 4,
  /** After a request was granted. `time2` is that of its request, `a` the fence, `b` maxHold, `extra` the request. */
  grant: 5,
  /** After a request was refused: `code` says why. */
  refused: 6,
  /** Which file a hold has locked: `a` is its inode, `time2` when it was made. Only where files are replaced. */
  inode: 7,
  /** What a hold was told: the previous one, of process `a`, thread `extra`, fence `b`, did not end by its release. */
  recovered: 8,
  /** Before `held` was found true, or assertHeld() passed. */
  check: 9,
  /** Before a hold was found lost. */
  lost: 10,
  /** In a guard: its number is `a`, and `time2` was before guard() was called. */
  guardIn: 11,
  /** Last thing in a guard. */
  guardOut: 12,
  /** The counter was `a` - 1 and is `a`. */
  count: 13,
  /** Before release(). */
  end: 14,
  /** After release(): `code` tells how the hold ended. */
  ended: 15,
  /** Before extend(`a`). */
  extend: 16,
  /** After extend(`a`) was done. */
  extended: 17,
  /** Before and after the end of an owner. */
  ownerEnds: 18,
  ownerEnded: 19,
  /** Before and after releaseAll(). */
  allEnd: 20,
  allEnded: 21,
  /** Before the last reference to a handle is given up. */
  leak: 22,
  /** The library has told that it found the leak. */
  collected: 23,
  /** Before the event loop is blocked. */
  block: 24,
  /** A child was started that outlives its parent: `a` is its process id. */
  child: 25,
  /** Before process.exit(). */
  exit: 26,
  /** Before process.kill() of itself, with SIGKILL. */
  suicide: 27,
  /** Everything was ended, nothing follows. */
  finished: 28,
  /** Before and after worker.terminate() of thread `extra`. */
  terminate: 29,
  terminated: 30,
  /** Something that may not happen; what it was is in errors.txt. */
  unexpected: 31,
  /** The signal of a hold fired: `code` says why. Where an engine can lose locks. */
  signal: 32,
  /** The counter may be `a` now, or still `a` - 1: whoever was asked did not answer. */
  maybe: 33,
  // The driver's, about process `id`:
  /** Before kill(2). */
  kill: 40,
  /** After the process was seen to be gone. `a` is its exit code, or -1. */
  exited: 41,
  /** Before SIGSTOP, and after SIGCONT. */
  stop: 42,
  continued: 43,
  /** A lock file was deleted: `time` before, `time2` after. */
  replaced: 44,
  // Of an engine on many hosts:
  /** Before host `id` was cut off, and after it was not any more. */
  cut: 45,
  healed: 46,
  /** A session of process `id` was terminated: `time` before, `time2` after it was asked for. */
  sessionEnded: 47,
  /** The server was ended: `time` before, `time2` after it had begun again. */
  restarted: 48,
  /** What sessions of process `id` do was cancelled. */
  canceled: 49,
} as const

export type Kind = (typeof KIND)[keyof typeof KIND]

/** Exclusive holds first: what is not said is that. */
export const MODES = ['exclusive', 'shared'] as const
export type Mode = (typeof MODES)[number]

/** Bits of a grant's `code`. */
export const GRANT = { held: 1, recorded: 2, told: 4 } as const

/** How a hold ended, or why a request was refused. */
export const CODES = [
  'released',
  'max-hold',
  'owner-closed',
  'released-all',
  'collected',
  'replaced',
  'timeout',
  'aborted',
  'deadlock',
  'busy',
  'held',
  'other',
  'connection',
  'database',
] as const
export type Code = (typeof CODES)[number]

export interface Event {
  kind: number
  file: number
  mode: Mode
  code: number
  id: number
  /** Nanoseconds since the beginning of the history. */
  time: number
  time2: number
  a: number
  b: number
  owner: number
  extra: number
}

export const RECORD = 48

/** Several files, or none. */
export const NO_FILE = 255

export type Details = Partial<Omit<Event, 'kind' | 'time' | 'time2' | 'code'>> & {
  time?: bigint
  time2?: bigint
  code?: number | Code
}

export const now = (): bigint => process.hrtime.bigint()

export class EventLog {
  private readonly descriptor: number
  private readonly record = Buffer.alloc(RECORD)

  /** Opened for appending. */
  constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  write(kind: Kind, { file = NO_FILE, mode, code = 0, id = 0, time, time2 = 0n, ...rest }: Details = {}): void {
    const { record } = this
    record[0] = kind
    record[1] = file
    record[2] = mode === 'shared' ? 1 : 0
    record[3] = typeof code === 'number' ? code : CODES.indexOf(code)
    record.writeUInt32LE(id, 4)
    record.writeBigUInt64LE(time ?? now(), 8)
    record.writeBigUInt64LE(time2, 16)
    record.writeDoubleLE(rest.a ?? 0, 24)
    record.writeDoubleLE(rest.b ?? 0, 32)
    record.writeUInt32LE(rest.owner ?? 0, 40)
    record.writeUInt32LE(rest.extra ?? 0, 44)
    writeSync(this.descriptor, record, 0, RECORD)
  }
}

/** Of each record of a log; one that was cut short by a death, at its end, is left out. */
export function* readEvents(bytes: Buffer, base: bigint): Generator<Event> {
  for (let at = 0; at + RECORD <= bytes.length; at += RECORD) {
    const kind = bytes[at] ?? 0
    const time2 = bytes.readBigUInt64LE(at + 16)
    yield {
      kind,
      file: bytes[at + 1] ?? NO_FILE,
      mode: bytes[at + 2] === 1 ? 'shared' : 'exclusive',
      code: bytes[at + 3] ?? 0,
      id: bytes.readUInt32LE(at + 4),
      time: Number(bytes.readBigUInt64LE(at + 8) - base),
      // Of an inode it is a birth time, which only must differ.
      time2: kind === KIND.inode ? Number(time2 % 1_000_000_000_000_000n) : Number(time2 - base),
      a: bytes.readDoubleLE(at + 24),
      b: bytes.readDoubleLE(at + 32),
      owner: bytes.readUInt32LE(at + 40),
      extra: bytes.readUInt32LE(at + 44),
    }
  }
}
