// In the guest: one process that appends and updates without end, and tells of each promise that has resolved, after that.
// `node writer.js <boot> <process> <folder>`, with the line to the host as its descriptor 3.
import { join } from 'node:path'

import { openStore, openTranscript } from 'holdfast/session'

import { Teller } from './teller.js'
import {
  countAt,
  isStored,
  lanesOf,
  nameOf,
  NOTHING_STORED,
  STORE,
  storedOf,
  storeLaneOf,
  TRANSCRIPT,
  valueOf,
  type Lane,
  type Stored,
} from './workload.js'

const LINE = 3

const [bootText, processText, folder = ''] = process.argv.slice(2)
const [boot, self] = [Number(bootText), Number(processText)]
const teller = new Teller(LINE)
const transcript = await openTranscript(join(folder, TRANSCRIPT))
const store = await openStore<Stored>(join(folder, STORE), { initial: NOTHING_STORED, validate: isStored })

async function append(lane: Lane): Promise<never> {
  for (let next = 1; ;) {
    const count = countAt(lane, next)
    const values = Array.from({ length: count }, (_, index) => valueOf(lane, next + index))
    await transcript.appendAll(values)
    next += count
    teller.tell({ kind: 'acknowledged', lane: nameOf(lane), number: next - 1 })
  }
}

async function update(lane: Lane): Promise<never> {
  const name = nameOf(lane)
  for (let number = 1; ; number++) {
    await store.update(({ updates }) => storedOf({ ...updates, [name]: number }))
    teller.tell({ kind: 'acknowledged', lane: name, number })
  }
}

await Promise.all([...lanesOf(boot, self).map(append), update(storeLaneOf(boot, self))])
