// Small values by name, read, changed and written back in one transaction. A change is made once for each transaction that is
// committed; one that may be tried again belongs into the transaction of lines with ids, which tell whether it was made.
import type { ClientBase, Pool } from 'pg'

import type { Writing } from './fenced.js'
import type { Json } from './json.js'

const WRITE = `
  insert into store (name, value, fence) values ($1, $2, $3)
  on conflict (name) do update set value = excluded.value, fence = excluded.fence`

/** `change` gets the value, null where there is none. A name is updated under one lock, always the same. */
export async function updateJson<T extends Json>(
  { client, fence }: Writing,
  name: string,
  change: (value: Json) => T,
): Promise<T> {
  const value = change(await readJson(client, name))
  await client.query(WRITE, [name, JSON.stringify(value), fence])
  return value
}

/** Takes no lock. */
export async function readJson(client: ClientBase | Pool, name: string): Promise<Json> {
  const { rows } = await client.query<{ value: Json }>('select value from store where name = $1', [name])
  return rows[0]?.value ?? null
}
