// How fast a dead host is noticed, by its own holds and by the server; and whether the two fit together.
//
// A hold is revoked on the client `heartbeat + answer` milliseconds after the last sign of life that the server has answered.
// The server drops the session `server` milliseconds after it heard from the client last, which was later than that sign was
// sent. So with heartbeat + answer + MARGIN < server nobody else can have the lock before its holder knows that it is gone.
// The margin is for clocks that run at different speeds, and for code that must stop.
import { duration, entries } from '../arguments.js'
import { LockError, outOfRange } from '../errors.js'

export interface HeartbeatOptions {
  /** Milliseconds between two signs of life, while anything is held; 2,500 by default. */
  every?: number | undefined
  /** Milliseconds that the server has for its answer until everything held is revoked; 7,500 by default. */
  answer?: number | undefined
  /** Milliseconds of silence after which the server drops a session and frees its locks; 15,000 by default. */
  server?: number | undefined
}

export interface Heartbeat {
  readonly every: number
  /** From a sign of life until what is held is revoked. */
  readonly bound: number
  readonly server: number
}

export const MARGIN = 1000
const EVERY = 2500
const ANSWER = 7500
const SERVER = 15_000
/** A day: the system takes no keepalives that are much longer. */
const LONGEST = 86_400_000

const NAMES = ['every', 'answer', 'server'] as const

export function heartbeatOf(options: unknown): Heartbeat {
  const found = { every: EVERY, answer: ANSWER, server: SERVER }
  for (const [name, value] of options === undefined ? [] : entries(options, NAMES)) {
    found[name] = duration(`options.heartbeat.${name}`, value)
  }
  const { every, answer, server } = found
  if (server > LONGEST) throw outOfRange('options.heartbeat.server', `at most ${LONGEST} milliseconds`, server)
  if (!(every + answer + MARGIN < server)) {
    const sum = `heartbeat.every ${every} + heartbeat.answer ${answer} + ${MARGIN} ms of margin`
    throw unfit(`${sum} must be less than heartbeat.server ${server}`)
  }
  return { every, bound: every + answer, server }
}

/** The server's side of it, as its settings. Seconds are rounded up: it must never give up early. */
export function serverSettings({ server }: Heartbeat): Readonly<Record<string, string>> {
  const seconds = Math.ceil(server / 1000)
  const idle = Math.max(1, Math.floor(seconds / 3))
  const interval = Math.max(1, Math.floor(seconds / 5))
  return {
    tcp_user_timeout: String(Math.ceil(server)),
    tcp_keepalives_idle: String(idle),
    tcp_keepalives_interval: String(interval),
    tcp_keepalives_count: String(Math.max(1, Math.ceil((seconds - idle) / interval))),
  }
}

/** What the server answers that it will do. Zero: there is no network between, or the system decides. */
export interface ServerPatience {
  readonly userTimeout: number
  readonly idle: number
  readonly interval: number
  readonly count: number
}

/** The server may have been told otherwise, or its system may not know the setting. */
export function refuseUnfitServer({ bound }: Heartbeat, patience: ServerPatience): void {
  const { userTimeout, idle, interval, count } = patience
  const probes = (idle + interval * count) * 1000
  for (const [what, milliseconds] of [
    [`tcp_user_timeout of ${userTimeout} ms`, userTimeout],
    [`keepalives, ${idle} s + ${count} × ${interval} s,`, probes],
  ] as const) {
    if (milliseconds === 0 || bound + MARGIN < milliseconds) continue
    throw unfit(`the server's ${what} may free a lock before its holder knows, which takes up to ${bound + MARGIN} ms`)
  }
}

function unfit(what: string): LockError {
  return new LockError('ERR_LOCK_UNSUPPORTED', `The heartbeat does not fit: ${what}`)
}
