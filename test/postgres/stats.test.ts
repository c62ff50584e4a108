// What holdfast/stats tells of locks that a database keeps.
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { expect, onTestFinished, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import { openPostgres, type RemoteHoldfast } from '../../src/postgres.js'
import { collectStats } from '../../src/stats.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { ScriptedServer } from './scripted-server.js'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

async function connected(): Promise<RemoteHoldfast> {
  const remote = await openPostgres({ adapter: new ScriptedServer(), namespace: 'test' })
  onTestFinished(() => remote.close())
  return remote
}

test('what is held in databases and of files is counted together', async () => {
  const [one, other] = [await connected(), await connected()]
  using collector = collectStats()
  const holds = [await one.acquire('name'), await other.acquire('name'), tryAcquire(join(scratch(), 'file'))]
  expect(collector.snapshot().total).toMatchObject({ held: 3 })
  for (const hold of holds) hold?.release()
  expect(collector.snapshot().total).toMatchObject({ held: 0, acquired: 3 })
})

test('a client that is closed is forgotten', async () => {
  const opened: WeakRef<RemoteHoldfast>[] = []
  const openAndClose = async (): Promise<void> => {
    const remote = await openPostgres({ adapter: new ScriptedServer(), namespace: 'test' })
    opened.push(new WeakRef(remote))
    await remote.acquire('name')
    await remote.close()
  }
  await openAndClose()
  await until('it is collected', () => {
    collectGarbage()
    return opened[0]?.deref() === undefined
  })
})
