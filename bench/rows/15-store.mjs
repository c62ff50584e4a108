import { NodeProcess } from '../lib/node-process.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atLeast } from '../lib/stats.mjs'
import { timesOf, writerTable } from '../lib/writer-table.mjs'
import { figures } from '../lib/writers.mjs'

export const id = 'store'
export const title = 'Updates of a store of 22 kB, 32 lanes'

const PEER = 'write-file-atomic, with fsync'

const STORES = [
  { name: 'holdfast store', store: 'holdfast', options: { durability: 'batch' } },
  { name: PEER, store: 'write-file-atomic', options: { fsync: true } },
  { name: 'atomically, with fsync', store: 'atomically', options: { fsync: true } },
  { name: "holdfast store, durability 'none'", store: 'holdfast', options: { durability: 'none' } },
  { name: 'write-file-atomic, fsync: false', store: 'write-file-atomic', options: { fsync: false } },
  { name: 'atomically, fsync: false', store: 'atomically', options: { fsync: false } },
]

export async function measure({ folder, quick }) {
  const plan = { lanes: 32, size: 22_000, length: quick ? 150 : 700 }
  const contenders = STORES.map(({ name, store, options }) => ({
    name,
    async start() {
      const child = await NodeProcess.start('store.mjs', [store, JSON.stringify(options)])
      return { run: () => child.ask('update', folder, plan), close: () => child.kill() }
    },
  }))
  const entries = (await interleave(contenders, quick ? 2 : 7)).map(figures)
  return {
    ...writerTable(entries, 'updates', { oursOf: (index) => index - (index % 3) }),
    notes:
      'Each lane counts one up in the store when its last update was acknowledged; what the file has in the end is compared with that. holdfast reads the file anew under its lock; the peers, which have none, keep the value in memory, and only holdfast syncs the folder too.',
    checks: [atLeast(`against ${PEER}`, timesOf(entries, PEER), 10, ' ×')],
  }
}
