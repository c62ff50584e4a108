// The numbers and rules that lock files had in each of the five reports, and the same in a small scale: all times of an
// incident divided by one number, so that what took minutes can be watched. Which times are how much longer than which
// others, which is what the incidents are about, stays as it was.
import type { GatewayRules } from './lock-file-files.js'

export type Incident = 'I-1' | 'I-2' | 'I-3' | 'I-4' | 'I-5'

const SECOND = 1000
const MINUTE = 60 * SECOND
/** Of the reports none tells how often a lock file was tried. */
const POLL = 100

/** As reported; of the wait of I-2 no number is told: it is that of the others. */
export const REPORTED: Readonly<Record<Incident, Readonly<GatewayRules>>> = {
  'I-1': { timeout: 10 * SECOND, staleAge: 30 * SECOND, poll: POLL },
  'I-2': { timeout: 10 * SECOND, staleAge: 30 * MINUTE, checksPid: true, poll: POLL },
  'I-3': { timeout: 60 * SECOND, staleAge: 30 * MINUTE, maxHold: 17 * MINUTE, checksPid: true, poll: POLL },
  // Whoever is alive keeps the lock, whatever its age.
  'I-4': { timeout: 10 * SECOND, staleAge: Infinity, checksPid: true, reentrant: true, poll: POLL },
  'I-5': { timeout: 10 * SECOND, staleAge: 30 * SECOND, poll: POLL },
}

export interface ScaledRules {
  readonly rules: Readonly<GatewayRules>
  /** What took one second here took so many then. */
  readonly factor: number
}

/** The rules of an incident, in such a scale that a wait is given up after `wait` milliseconds. */
export function scaledTo(wait: number, incident: Incident): ScaledRules {
  const { timeout, staleAge, maxHold, poll, ...others } = REPORTED[incident]
  const factor = timeout / wait
  const scaled = { timeout: wait, staleAge: staleAge / factor, poll: (poll ?? POLL) / factor }
  return { rules: { ...others, ...scaled, ...(maxHold !== undefined && { maxHold: maxHold / factor }) }, factor }
}
