// node gateway.js --name north --database postgres://…: a gateway as a program. Messages come on the standard input, each on
// a line: {"session":"alpha","id":"1","text":"hello"}. What becomes of them goes to the standard output (events.ts). Any number
// of gateways, on any hosts, may write to the same sessions.
//
// It ends when its input has ended and everything is acknowledged. At SIGTERM it finishes what it is writing, and leaves the rest.
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

import { openPostgres } from 'holdfast/postgres'

import { messageOf, tell, whyOf } from './events.js'
import { openPool } from './pool.js'
import { TABLES } from './schema.js'
import { Session } from './session.js'

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: String(process.pid) },
    database: { type: 'string' },
    /** Of silence: when a hold is given up, and when the server gives it up (docs/multi-host.md). */
    every: { type: 'string', default: '2500' },
    answer: { type: 'string', default: '7500' },
    server: { type: 'string', default: '15000' },
  },
})
if (values.database === undefined) {
  console.error('Expected --database <url>')
  process.exit(2)
}
const heartbeat = { every: Number(values.every), answer: Number(values.answer), server: Number(values.server) }
const locks = await openPostgres({ connection: values.database, namespace: 'multi-host', heartbeat })
const pool = openPool(values.database, heartbeat)
await locks.withLock('tables', () => pool.query(TABLES)) // "if not exists" is not for two at a time
tell({ event: 'ready' })

const ending = new AbortController()
process.once('SIGTERM', () => ending.abort(new Error('ended by SIGTERM')))
const sessions = new Map<string, Session>()
for await (const line of createInterface({ input: process.stdin, signal: ending.signal })) {
  try {
    const { session, id, text } = messageOf(line)
    sessionOf(session).write({ id, body: { text } })
  } catch (error) {
    tell({ event: 'refused', why: whyOf(error) })
  }
}
await Promise.all(Array.from(sessions.values(), (session) => session.settled()))
await locks.close()
await pool.end()
process.exit() // whatever is left of its input

function sessionOf(session: string): Session {
  const known = sessions.get(session)
  if (known !== undefined) return known
  const opened = new Session({ session, by: values.name, locks, pool, tell, signal: ending.signal })
  sessions.set(session, opened)
  return opened
}
