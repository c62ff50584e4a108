// A gate in the database at which commits stand: those of lines whose ids begin with "gated-". So a network can be cut at the
// one moment that is the worst: the commit was sent, and the answer was not.
import type { ClientBase } from 'pg'

import { until } from './until.js'

const NUMBER = 7_295_831

const MAKE = `
  create function stand_at_gate() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(${NUMBER}); return null; end $$;
  create constraint trigger gate after insert on transcript deferrable initially deferred
    for each row when (new.id like 'gated-%') execute function stand_at_gate();`

export class Gate {
  private readonly client: ClientBase

  private constructor(client: ClientBase) {
    this.client = client
  }

  /** The client is used by nobody else while the gate is closed. */
  static async make(client: ClientBase): Promise<Gate> {
    await client.query(MAKE)
    return new Gate(client)
  }

  async close(): Promise<void> {
    await this.client.query('select pg_advisory_lock($1)', [NUMBER])
  }

  /** Somebody stands there. */
  async reached(): Promise<void> {
    const text = `select from pg_locks where locktype = 'advisory' and not granted and objid = $1
      and database = (select oid from pg_database where datname = current_database())`
    await until('a commit stands at the gate', async () => (await this.client.query(text, [NUMBER])).rowCount !== 0)
  }

  async open(): Promise<void> {
    await this.client.query('select pg_advisory_unlock($1)', [NUMBER])
  }
}
