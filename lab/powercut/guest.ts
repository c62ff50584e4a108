// In the guest: tells what the files have after the start, opens them as any program would, tells what they have then, and has
// them written until the power goes. `node guest.js <port> <boot> <folder>`
import { spawn } from 'node:child_process'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { tryAcquire } from 'holdfast'
import { openStore, openTranscript } from 'holdfast/session'

import type { Stage } from './messages.js'
import { Teller } from './teller.js'
import { isStored, NOTHING_STORED, PROCESSES, STORE, TRANSCRIPT } from './workload.js'

const WRITER = fileURLToPath(new URL('writer.js', import.meta.url))

const [port = '', boot = '', folder = ''] = process.argv.slice(2)
const file = openSync(port, 'w')
const teller = new Teller(file)

function tellFiles(stage: Stage): void {
  for (const { name } of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())) {
    teller.tellFile(stage, name, readFileSync(join(folder, name)))
  }
}

function isFree(name: string): boolean {
  const hold = tryAcquire(join(folder, name))
  hold?.release()
  return hold !== null
}

async function check(): Promise<void> {
  tellFiles('found')
  for (const name of [TRANSCRIPT, STORE]) teller.tell({ kind: 'lock', name, free: isFree(name) })
  const transcript = await openTranscript(join(folder, TRANSCRIPT))
  const store = await openStore(join(folder, STORE), { initial: NOTHING_STORED, validate: isStored })
  const lines = { values: 0, damaged: 0 }
  for await (const { kind } of transcript.read()) {
    if (kind === 'value') lines.values++
    if (kind === 'damaged') lines.damaged++
  }
  teller.tell({ kind: 'read', ...lines, stored: JSON.stringify(await store.read()) })
  await transcript.close()
  await store.close()
  tellFiles('repaired')
}

try {
  const cache = readFileSync('/sys/block/vda/queue/write_cache', 'utf8').trim()
  teller.tell({ kind: 'started', kernel: release(), cache })
  await check()
  teller.tell({ kind: 'ready' })
  const writers = Array.from({ length: PROCESSES }, (_, number) =>
    spawn(process.execPath, [WRITER, boot, String(number), folder], { stdio: ['ignore', 'inherit', 'inherit', file] }),
  )
  for (const writer of writers) {
    writer.on('exit', (code, signal) => {
      teller.tell({ kind: 'failed', why: `a writer has ended: ${code ?? signal}` })
    })
  }
} catch (error) {
  teller.tell({ kind: 'failed', why: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
