// Lines of sessions, in order, each of them once. Only lines with new ids are added: so lines of which nobody knows whether
// they were written are just written again.
import type { ClientBase, Pool } from 'pg'

import type { Writing } from './fenced.js'
import type { Json } from './json.js'

export interface Line {
  /** Among those of its session. Chosen before it is written for the first time. */
  readonly id: string
  readonly body: Json
}

export interface Place {
  readonly id: string
  readonly seq: number
  /** False: it was there already. */
  readonly added: boolean
}

const APPEND = `
  with last as (select coalesce(max(seq), 0) as seq from transcript where session = $1)
  insert into transcript (session, seq, id, body, fence)
  select $1, last.seq + row_number() over (order by line.place), line.id, line.body::json, $2
    from last, unnest($3::text[], $4::text[]) with ordinality as line (id, body, place)
    where not exists (select from transcript as known where known.session = $1 and known.id = line.id)
  returning id`

const FIND = `select id, seq from transcript where session = $1 and id = any($2) order by seq`

/** Where the lines are, in the order of their places. Ids of one call differ. */
export async function append({ client, fence }: Writing, session: string, lines: readonly Line[]): Promise<Place[]> {
  const ids = lines.map(({ id }) => id)
  const bodies = lines.map(({ body }) => JSON.stringify(body))
  const added = await client.query<{ id: string }>(APPEND, [session, fence, ids, bodies])
  const isNew = new Set(added.rows.map(({ id }) => id))
  const found = await client.query<{ id: string; seq: string }>(FIND, [session, ids])
  return found.rows.map(({ id, seq }) => ({ id, seq: Number(seq), added: isNew.has(id) }))
}

/** Takes no lock. Within a transaction that has passed its fence the answer is final. */
export async function readTranscript(client: ClientBase | Pool, session: string): Promise<Line[]> {
  const { rows } = await client.query<Line>('select id, body from transcript where session = $1 order by seq', [
    session,
  ])
  return rows
}
