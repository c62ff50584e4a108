// Both clients that are tested: the same tests run with each.
import postgres from 'postgres'

import { pgAdapter, postgresJsAdapter, type PostgresAdapter } from '../../src/postgres.js'

export const adapters: readonly { readonly name: string; readonly adapter: (url: string) => PostgresAdapter }[] = [
  { name: 'pg', adapter: (url) => pgAdapter(url) },
  { name: 'postgres.js', adapter: (url) => postgresJsAdapter(postgres, url) },
]
