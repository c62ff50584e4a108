// Contenders of the rows that count cycles: a Node process or the C baseline, a number of cycles a sample.
import { join } from 'node:path'

import { NodeProcess } from './node-process.mjs'
import { RawProcess } from './raw.mjs'

/** `action` is one of fixtures/contender.mjs: cycles or lanes. */
export function nodeCyclist(name, contender, path, count, action = 'cycles') {
  return {
    name,
    async start() {
      const child = await NodeProcess.start('contender.mjs', [contender, path])
      return { run: () => child.ask(action, count), close: () => child.kill() }
    },
  }
}

/** On a lock file of its own: what it writes is no record, and holdfast leaves the content of others alone. */
export function rawCyclist(name, program, path, record, count) {
  return {
    name,
    start() {
      const child = new RawProcess(program, 'cycle', path, `${path}.hold`, record ? 1 : 0)
      const run = async () => {
        const [mean, p99] = (await child.ask(count)).split(' ').map(Number)
        return { mean, p99 }
      }
      return Promise.resolve({ run, close: () => child.close() })
    },
  }
}

/** A path in the folder, of a file whose lock file exists and has a record: making them is no part of a cycle. */
export async function preparedPath(folder, name) {
  const path = join(folder, name)
  const { tryAcquire } = await import('../../dist/index.js')
  tryAcquire(path).release()
  return path
}
