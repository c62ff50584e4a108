// Processes that block on a lock and say when they got it: a Node contender or the C baseline, with one face.
import { NodeProcess } from './node-process.mjs'
import { RawProcess } from './raw.mjs'

/** Each resolves to { begin, granted, close }: begin() once the wait has begun, granted() to a monotonic time in ns. */
export async function nodeWaiter(contender, path) {
  const child = await NodeProcess.start('contender.mjs', [contender, path])
  return { begin: () => child.ask('wait'), granted: () => child.ask('granted'), close: () => child.kill() }
}

export function rawWaiter(program, path) {
  const child = new RawProcess(program, 'wait', `${path}.hold`)
  return Promise.resolve({
    begin: () => child.ask('wait'),
    granted: async () => Number(await child.next()),
    close: () => child.close(),
  })
}
