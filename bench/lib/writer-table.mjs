// A table of writers: how many lines a second, when each is safe to acknowledge, and how holdfast compares.
import { digits, duration } from './stats.mjs'

/**
 * `entries` are figures, `unit` is what is counted. `oursOf` answers, for an entry's index, with that of holdfast doing the
 * same: the first one, unless it says otherwise.
 */
export function writerTable(entries, unit, { shared = false, oursOf = () => 0 } = {}) {
  const line = ({ name, reason, rate, median, p99, longest, skew }, index) => {
    if (reason !== undefined) return [name, reason]
    const ours = entries[oursOf(index)]
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
