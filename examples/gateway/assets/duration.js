// How long something took, for people. The server and the page in the browser both say it with this.

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** What is negative, from a clock that was set, is no time at all. */
export function duration(milliseconds) {
  const time = Math.max(0, milliseconds)
  if (time < 9.95) return `${Number(time.toFixed(1))} ms`
  if (time < 999.5) return `${Math.round(time)} ms`
  if (time < 59.95 * SECOND) return `${(time / SECOND).toFixed(1)} s`
  const seconds = Math.round(time / SECOND) * SECOND
  if (seconds < HOUR) return both(seconds, MINUTE, 'min', SECOND, 's')
  if (seconds < DAY) return both(seconds, HOUR, 'h', MINUTE, 'min')
  return both(seconds, DAY, 'd', HOUR, 'h')
}

function both(time, large, largeName, small, smallName) {
  return `${Math.floor(time / large)} ${largeName} ${Math.floor((time % large) / small)} ${smallName}`
}
