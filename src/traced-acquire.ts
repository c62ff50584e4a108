// Tells whoever subscribes to the tracing channel of every request that may wait, as TracingChannel.tracePromise() does: what
// is told later is told in the async context in which the request was made, and before its promise settles.
import type { Acquire } from './coordination/acquire-all.js'
import type { Coordinator } from './coordination/coordinator.js'
import { ownerLabel } from './coordination/hold-events.js'
import type { HoldState } from './coordination/hold-state.js'
import { LockError, type LockErrorCode } from './errors.js'
import * as channels from './channels.js'
import type * as events from './events.js'
import type { Request } from './options.js'

/** Coordinator.acquire(), told of. */
export function tracedAcquire(coordinator: Coordinator, ...call: Parameters<Acquire>): void {
  const { acquiring } = channels
  if (!acquiring.hasSubscribers && !channels.answered.counts) {
    coordinator.acquire(...call)
    return
  }
  const [request, resolve, reject, started = coordinator.clock.now()] = call
  const trace = traceOf(request)
  acquiring.start.runStores(trace, () => {
    let settle = (done: () => void): void => done()
    const settled = new Promise<() => void>((resolve) => (settle = resolve))
    void settled.then((done) => {
      if (trace.outcome !== 'granted') acquiring.error.publish(trace)
      acquiring.asyncStart.publish(trace)
      acquiring.asyncEnd.publish(trace)
      done()
    })
    const answer = (outcome: events.AcquireOutcome, done: () => void): void => {
      trace.waited = coordinator.clock.now() - started
      trace.outcome = outcome
      channels.answered.count(trace)
      settle(done)
    }
    const grant = (state: HoldState): void => {
      trace.result = state.info
      answer('granted', () => resolve(state))
    }
    const refuse = (error: unknown): void => {
      trace.error = error
      answer(outcomeOf(error, request), () => reject(error))
    }
    coordinator.acquire(request, grant, refuse, started)
    trace.queued = coordinator.queuedFor(request)
    if (trace.outcome === null) channels.waiting.count(trace)
    acquiring.end.publish(trace)
  })
}

function traceOf({ file, mode, owner, label, timeout }: Request): events.AcquireTrace {
  return {
    path: file.target,
    lockfile: file.lockfile,
    mode,
    owner: ownerLabel(owner),
    label: label ?? null,
    timeout,
    queued: 0,
    waited: 0,
    outcome: null,
  }
}

const OUTCOMES: Partial<Record<LockErrorCode, events.AcquireOutcome>> = {
  ERR_LOCK_TIMEOUT: 'timeout',
  ERR_LOCK_OWNER_CLOSED: 'owner-closed',
  ERR_LOCK_DEADLOCK: 'deadlock',
}

function outcomeOf(error: unknown, { signal }: Request): events.AcquireOutcome {
  if (signal?.aborted === true && error === signal.reason) return 'aborted'
  return (error instanceof LockError ? OUTCOMES[error.code] : undefined) ?? 'failed'
}
