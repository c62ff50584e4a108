// Figures out of samples, and figures as text.

export function percentile(samples, share) {
  const sorted = Float64Array.from(samples).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function median(samples) {
  const sorted = Float64Array.from(samples).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Three digits that mean something, without exponents. */
export function digits(value) {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return '0'
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  const text = value.toFixed(Math.min(decimals, 4))
  return decimals > 0 ? text : Number(text).toLocaleString('en-US')
}

/** A duration in microseconds, in the unit that reads best. */
export function duration(microseconds) {
  if (!Number.isFinite(microseconds)) return '—'
  if (microseconds >= 1e6) return `${digits(microseconds / 1e6)} s`
  if (microseconds >= 1e3) return `${digits(microseconds / 1e3)} ms`
  return `${digits(microseconds)} µs`
}

/** A target and what came of it. `value` is null where it could not be measured. */
export function atMost(what, value, limit, unit = '') {
  return check(what, `≤ ${limit}${unit}`, value, value <= limit, unit)
}

export function atLeast(what, value, limit, unit = '') {
  return check(what, `≥ ${limit}${unit}`, value, value >= limit, unit)
}

function check(what, target, value, met, unit) {
  if (!Number.isFinite(value)) return { what, target, result: 'not measured', met: null }
  return { what, target, result: `${digits(value)}${unit}`, met }
}
