// node main.mjs <log>: ten lanes want one session file at once, and the one that has it takes its time. Prints the alerts.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { acquire, isLockError, Owner } from 'holdfast'

import { logContention } from './contention-log.mjs'

const [log = 'contention.jsonl'] = process.argv.slice(2)
logContention(log, { most: 5, alert: (text) => console.log(text) })

const folder = mkdtempSync(join(tmpdir(), 'holdfast-contention-'))
const session = join(folder, 'session.jsonl')

const slow = await acquire(session, { owner: new Owner('lane=main'), label: 'model call' })
const lanes = Array.from({ length: 10 }, (_, index) => new Owner(`lane=session:${index}`, { timeout: 100 }))
const answers = await Promise.allSettled(lanes.map((owner) => acquire(session, { owner, label: 'append' })))
slow.release()
const timeouts = answers.filter(({ reason }) => isLockError(reason, 'ERR_LOCK_TIMEOUT'))
console.log(`${timeouts.length} of ${lanes.length} lanes timed out`)
rmSync(folder, { recursive: true })
