// One listener for each AbortSignal, however many waits it cancels: fifty acquires on one signal print no warning, and
// a signal that outlives its waits keeps nothing of them.

const fans = new WeakMap<AbortSignal, Fan>()

class Fan {
  private readonly tasks = new Set<() => void>()
  private readonly signal: AbortSignal

  constructor(signal: AbortSignal) {
    this.signal = signal
    fans.set(signal, this)
    signal.addEventListener('abort', this.fire, { once: true })
  }

  add(task: () => void): void {
    this.tasks.add(task)
  }

  delete(task: () => void): void {
    this.tasks.delete(task)
    if (this.tasks.size === 0) this.close()
  }

  private readonly fire = (): void => {
    const tasks = [...this.tasks]
    this.close()
    for (const task of tasks) task()
  }

  private close(): void {
    this.tasks.clear()
    if (fans.get(this.signal) === this) fans.delete(this.signal)
    this.signal.removeEventListener('abort', this.fire)
  }
}

/** Runs `task` when `signal` aborts. Answers how to stop listening; calling it twice is harmless. */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const fan = fans.get(signal) ?? new Fan(signal)
  fan.add(task)
  return () => fan.delete(task)
}
