// Ctrl-C: once to come to an end, twice to end at once. npm passes on what the terminal has told every process already, so what
// comes together counts once.

const TOGETHER = 1_000

/** Aborts when the process is interrupted. From then on that does not end it, unless it is interrupted again. */
export function interruption(): AbortSignal {
  const first = new AbortController()
  let at = Infinity
  process.on('SIGINT', () => {
    if (performance.now() > at + TOGETHER) process.exit(130)
    at = Math.min(at, performance.now())
    first.abort()
  })
  return first.signal
}
