// A database, two hosts, and a gateway on each. Everything that is sent is noted here.
import pg from 'pg'

import type { Told } from '../events.js'
import { Gate } from './gate.js'
import { ledgerOf, type Ledger, type Row } from './ledger.js'
import type { Host, Network } from './network.js'
import { Program } from './program.js'
import type { Story } from './story.js'
import { until } from './until.js'

/** Short, so that nobody waits for long, and with a margin for a machine that has other things to do. */
export const PATIENCE = { every: 300, answer: 900, server: 3000 }
export const ARGUMENTS = Object.entries(PATIENCE).flatMap(([name, value]) => [`--${name}`, String(value)])

const GATEWAY = new URL('../gateway.js', import.meta.url)
const LATE_WRITER = new URL('late-writer.js', import.meta.url)

export class Stage {
  readonly story: Story
  /** Directly, and not from a host. */
  readonly admin: pg.Client
  readonly gate: Gate
  readonly north: Host
  readonly south: Host
  readonly gateways: { readonly north: Program; readonly south: Program }
  private readonly programs: Program[] = []
  private readonly sent: string[] = []

  private constructor(story: Story, admin: pg.Client, gate: Gate, hosts: readonly [Host, Host]) {
    this.story = story
    this.admin = admin
    this.gate = gate
    ;[this.north, this.south] = hosts
    this.gateways = { north: this.gateway(this.north), south: this.gateway(this.south) }
  }

  static async open(story: Story, network: Network, url: string, tables: string): Promise<Stage> {
    const admin = new pg.Client(url)
    await admin.connect()
    await admin.query(tables) // which each gateway does if they are not there; the gate needs them before
    const gate = await Gate.make(admin)
    const stage = new Stage(story, admin, gate, [await network.host('north', url), await network.host('south', url)])
    for (const gateway of [stage.gateways.north, stage.gateways.south]) {
      await gateway.until('ready', (event) => event.event === 'ready')
    }
    return stage
  }

  /** Messages to one session, all at once. */
  send(gateway: Program, session: string, ...ids: readonly string[]): void {
    this.sent.push(...ids)
    for (const id of ids) gateway.send({ session, id, text: `${gateway.name} says ${id}` })
  }

  /** Until all of them are acknowledged. */
  async acknowledged(gateway: Program, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await gateway.until(`acknowledged ${id}`, (event) => event.event === 'acknowledged' && event.id === id)
    }
  }

  /** A program that writes a line to the session when it is too late. */
  lateWriter(host: Host, session: string, id: string, ...options: readonly string[]): Program {
    const args = ['--database', host.url, '--session', session, '--id', id, ...ARGUMENTS, ...options]
    return this.run(new Program('late', host, LATE_WRITER, args))
  }

  /** Until a program waits for so many locks at the database. */
  async waiting({ name, pid }: Program, locks: number): Promise<void> {
    const text = `select from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and not granted and application_name like $1`
    const count = async (): Promise<number | null> => (await this.admin.query(text, [`holdfast:%:${pid}`])).rowCount
    await until(`${name} waits for ${locks} locks`, async () => (await count()) === locks)
  }

  /** All that was said, in the order of time. */
  get events(): Told[] {
    return this.programs.flatMap(({ events }) => events).sort((a, b) => a.at - b.at)
  }

  async ledger(): Promise<Ledger> {
    const rows = await this.admin.query<Row>(
      `select session, seq::int, id, fence::float8, floor(extract(epoch from at) * 1000)::float8 as at
       from transcript order by session, seq`,
    )
    const entries = await this.admin.query<{ session: string; lines: number; last: string }>(
      `select name as session, (value->>'lines')::int as lines, value->>'last' as last from store`,
    )
    return ledgerOf({ rows: rows.rows, entries: entries.rows, events: this.events, sent: this.sent })
  }

  async end(): Promise<void> {
    for (const program of this.programs) program.signal('SIGKILL')
    await this.admin.end()
  }

  private gateway(host: Host): Program {
    const args = ['--name', host.name, '--database', host.url, ...ARGUMENTS]
    return this.run(new Program(host.name, host, GATEWAY, args))
  }

  private run(program: Program): Program {
    this.programs.push(program)
    return program
  }
}
