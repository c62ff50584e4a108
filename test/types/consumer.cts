// A program in CommonJS: Node's require() loads the ES module. It is compiled, never run.
import holdfast = require('holdfast')
import session = require('holdfast/session')
import stats = require('holdfast/stats')
import adapter = require('holdfast/adapters/session-write-lock')
import lockfile = require('holdfast/adapters/proper-lockfile')

export async function main(): Promise<void> {
  const hold: holdfast.Hold = await holdfast.acquire('file', { timeout: 1 })
  hold.release()
  const held: number = stats.collectStats().snapshot().total.held
  console.log(held)
  const lock: adapter.SessionWriteLock = await adapter.acquireSessionWriteLock({ sessionFile: 'file.jsonl' })
  await lock.release()
  const release: () => Promise<void> = await lockfile.lock('file', { retries: 1 } satisfies lockfile.LockOptions)
  await release()
  await lockfile.default('file')
  const transcript: session.Transcript = await session.openTranscript('file.jsonl')
  await transcript.append({ text: 'hello' })
  // @ts-expect-error there is no such function
  holdfast.lock('file')
}
