// One writer process: node writer.mjs holdfast|lock-file FILE. It does what its parent says: `hold` takes the lock and
// keeps it, `count N` adds one to the number in FILE, N times, each time under the lock.
import { readFileSync, writeFileSync } from 'node:fs'

import { acquire } from 'holdfast'
import { lock } from './lock-file.mjs'

const [, , protocol, file] = process.argv
const take = protocol === 'holdfast' ? () => acquire(file, { label: `writer ${process.pid}` }) : () => lock(file)

/** What is held is held until this process is killed. */
const kept = []

const commands = {
  async hold() {
    const hold = await take()
    const time = process.hrtime.bigint()
    kept.push(hold)
    return { time, recoveredFrom: hold.recoveredFrom?.pid }
  },
  async count(times) {
    for (let done = 0; done < times; done++) {
      const hold = await take()
      // Read, change, write: two writers at once would lose a count.
      writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1))
      hold.release()
    }
  },
}

process.on('message', async ([command, ...args]) =>
  process.send({ answer: (await commands[command](...args)) ?? null }),
)
process.on('disconnect', () => process.exit())
process.send({ ready: true })
