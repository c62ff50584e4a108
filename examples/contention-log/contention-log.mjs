// One JSON line for each request that waited long or in vain, and an alert once a day that has more of them than it should.
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'

export function logContention(file, { slow = 1_000, most = 5, alert = console.error } = {}) {
  let [day, count] = ['', 0]
  subscribe('tracing:holdfast:acquire:asyncEnd', ({ path, owner, label, outcome, waited, queued, error }) => {
    if (outcome === 'granted' && waited < slow) return
    const timestamp = new Date().toISOString()
    const today = timestamp.slice(0, 10)
    ;[day, count] = [today, day === today ? count + 1 : 1]
    const line = { timestamp, path, owner, label, outcome, waited, queued, count, holder: error?.holder }
    appendFileSync(file, `${JSON.stringify(line)}\n`)
    if (count === most + 1) alert(`more than ${most} contended locks on ${day}, now ${path}`)
  })
}
