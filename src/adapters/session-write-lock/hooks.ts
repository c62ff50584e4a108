// What the adapter does when the process is told to end: it ends its holds. A process that just dies would leave records
// that say it died in the middle of its work.
//
// One set of listeners a thread, however many copies of this module are loaded. They come before all others, so that they see
// who else listens, even those that listen once. No other listener is touched; and a signal is raised again, as if nobody
// had listened, only where nobody else does.

export type CleanupSignal = 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGABRT'

export const CLEANUP_SIGNALS: readonly CleanupSignal[] = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT']

interface Hooks {
  /** Of each copy what ends its holds. */
  readonly endings: Set<(reason: unknown) => void>
  readonly listeners: Map<CleanupSignal | 'exit', () => void>
}

/** The process, without a signature for each event. */
const emitter: NodeJS.EventEmitter = process

const shared = globalThis as { [key: symbol]: Hooks | undefined }
const KEY = Symbol.for('holdfast.session-write-lock.hooks')
const hooks: Hooks = (shared[KEY] ??= { endings: new Set(), listeners: new Map() })

/** Later calls put back what was taken off to raise a signal again. */
export function installHooks(end: (reason: unknown) => void): void {
  hooks.endings.add(end)
  if (hooks.listeners.size > CLEANUP_SIGNALS.length) return
  listen('exit', () => endAll('the process exits'))
  for (const signal of CLEANUP_SIGNALS) listen(signal, () => handleTerminationSignal(signal))
}

/** The listeners go with the last copy that needs them. */
export function removeHooks(end: (reason: unknown) => void): void {
  hooks.endings.delete(end)
  if (hooks.endings.size > 0) return
  for (const event of [...hooks.listeners.keys()]) unlisten(event)
}

export function handleTerminationSignal(signal: CleanupSignal): void {
  const listeners = process.listeners(signal)
  endAll(`the process got ${signal}`)
  const own = hooks.listeners.get(signal)
  if (listeners.length !== 1 || listeners[0] !== own) return
  unlisten(signal)
  process.kill(process.pid, signal)
}

function endAll(reason: string): void {
  for (const end of [...hooks.endings]) end(new Error(`The session write lock was released: ${reason}`))
}

function listen(event: CleanupSignal | 'exit', listener: () => void): void {
  if (hooks.listeners.has(event)) return
  try {
    emitter.prependListener(event, listener)
    hooks.listeners.set(event, listener)
  } catch {
    // There is no such signal here.
  }
}

function unlisten(event: CleanupSignal | 'exit'): void {
  const listener = hooks.listeners.get(event)
  if (listener === undefined) return
  process.off(event, listener)
  hooks.listeners.delete(event)
}
