// What one run is, beside what every history has: where its processes live, how they reach the server, and how fast a dead host
// is noticed.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Plan } from '../history/plan.js'

export interface Nemeses {
  /** In a second. */
  readonly terminations: number
  readonly cancelStorms: number
  readonly restarts: number
  /** In a second, of each host. */
  readonly cuts: number
  /** A stop that outlasts the server's patience, during a cut or a termination; in a second. */
  readonly longStops: number
}

export interface RemotePlan extends Plan {
  /** Network namespaces, each a host with a cable to the server. Processes of host 0 live where the server does. */
  readonly hosts: number
  /** By host. */
  readonly urls: readonly string[]
  /** Another way to the server, which nothing cuts off: the folder of its socket. */
  readonly socket: { readonly host: string; readonly port: number }
  readonly heartbeat: { readonly every: number; readonly answer: number; readonly server: number }
  readonly nemeses: Nemeses
}

export const SAMPLES = 'samples.jsonl'
export const NAMESPACE = 'lab'

export function readRemotePlan(folder: string): RemotePlan {
  // Written by saveRemotePlan() below, by whatever version made the history.
  return { ...(JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8')) as RemotePlan), folder }
}

export function saveRemotePlan(plan: RemotePlan): void {
  writeFileSync(join(plan.folder, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`)
}

/** Processes have a place, and each that follows another one there has another number. */
export function numberOf({ processes }: Plan, place: number, generation: number): number {
  return 1 + place + generation * processes
}

/** Two of each host, and the rest where the server is. */
export function hostOf({ processes, hosts }: RemotePlan, number: number): number {
  const place = (number - 1) % processes
  return place < 2 * hosts ? 1 + (place % hosts) : 0
}

/** Both clients are used, by one process of each host, in turn. */
export function clientOf({ processes, hosts }: RemotePlan, number: number): 'pg' | 'postgres.js' {
  const place = (number - 1) % processes
  const generation = Math.floor((number - 1) / processes)
  const second = place < 2 * hosts ? Math.floor(place / hosts) : place
  return (second + generation) % 2 === 0 ? 'pg' : 'postgres.js'
}

/** What the server calls the sessions of a process. */
export const applicationOf = (number: number): string => `lab:${number}`
export const numberOfApplication = (application: string): number => Number(/^lab:(\d+)$/.exec(application)?.[1] ?? 0)
