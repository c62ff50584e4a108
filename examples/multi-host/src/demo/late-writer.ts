// node late-writer.js …: the worst writer there can be. It gets the lock of a session and, having looked, does nothing for as
// long as it takes to lose it; then it writes a line and never looks again. With --stop it stops itself at that point, with
// SIGSTOP, as a machine does that is suspended; else it waits for a line of its input.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

import { openPostgres } from 'holdfast/postgres'

import { tell, whyOf } from '../events.js'
import { fenced, FencedError } from '../fenced.js'
import { openPool } from '../pool.js'
import { lockOf } from '../session.js'
import { append } from '../transcript.js'

const { values } = parseArgs({
  options: {
    database: { type: 'string', default: '' },
    session: { type: 'string', default: '' },
    id: { type: 'string', default: '' },
    stop: { type: 'boolean', default: false },
    every: { type: 'string', default: '' },
    answer: { type: 'string', default: '' },
    server: { type: 'string', default: '' },
  },
})
const { database, session, id } = values
const heartbeat = { every: Number(values.every), answer: Number(values.answer), server: Number(values.server) }
const locks = await openPostgres({ connection: database, namespace: 'multi-host', heartbeat })
const pool = openPool(database, heartbeat)
await pool.query('select 1') // there is a connection to write on, whatever happens to that of the lock

const hold = await locks.acquire(lockOf(session), { timeout: Infinity })
const fence = hold.fence ?? 0
hold.signal.addEventListener('abort', () => {
  tell({ event: 'lost', session, fence, held: hold.held, why: whyOf(hold.signal.reason) })
})
const input = once(createInterface({ input: process.stdin }), 'line')
tell({ event: 'granted', session, fence })
if (values.stop) process.kill(process.pid, 'SIGSTOP')
else await input

for (;;) {
  try {
    const lines = [{ id, body: { text: 'too late' } }]
    const [place] = await fenced(pool, { lock: hold.path, fence }, (writing) => append(writing, session, lines))
    tell({ event: 'acknowledged', session, id, seq: place?.seq ?? 0, fence, added: true })
  } catch (error) {
    if (!(error instanceof FencedError)) continue // a connection that is dead: once more on a new one
    tell({ event: 'refused', why: whyOf(error) })
  }
  process.exit()
}
