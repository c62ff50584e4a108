// A table of writers: how many lines a second, when each is safe to acknowledge, and how holdfast compares.
import { digits, duration } from './stats.mjs'

/** `entries` are figures; the first one is holdfast's. `unit` is what is counted. */
export function writerTable(entries, unit, { shared = false } = {}) {
  const [ours] = entries
  const line = ({ name, reason, rate, median, p99, longest, skew }) => {
    if (reason !== undefined) return [name, reason]
    const wait = shared ? [duration(longest), digits(skew)] : []
    return [name, digits(rate), duration(median), duration(p99), ...wait, ratio(ours.rate / rate)]
  }
  return {
    columns: [
      '',
      `${unit} a second`,
      'acknowledged after, median',
      'p99',
      ...(shared ? ['longest', 'busiest ÷ quietest process'] : []),
      'holdfast against it',
    ],
    lines: entries.map(line),
    entries: entries.map(({ name, reason, rate }) => ({ name, reason, median: rate })),
  }
}

/** How many times the lines of `peer` those of holdfast are; NaN where one of them was not run. */
export function timesOf(entries, peer) {
  const rate = (name) => entries.find((entry) => entry.name === name)?.rate ?? NaN
  return rate(entries[0].name) / rate(peer)
}

const ratio = (value) => (Number.isFinite(value) ? `${digits(value)} ×` : '—')
