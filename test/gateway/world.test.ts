// The world of the demonstration knows how its processes ended, and waits for none of them in vain.
import { once } from 'node:events'
import { createServer } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { ProviderServer } from '../../examples/gateway/src/world/provider-server.js'
import type { World } from '../../examples/gateway/src/world/world.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'

const PATIENCE = 20_000

/** The compiled one: its processes are programs beside it. */
const compiled = '../../examples/gateway/dist/world/world.js'
const { World: CompiledWorld } = (await import(compiled)) as typeof import('../../examples/gateway/src/world/world.js')

async function openWorld(): Promise<World> {
  const provider = new ProviderServer()
  const world = new CompiledWorld({
    folder: scratch(),
    provider: await provider.listen(),
    rules: null,
    laneTimeout: 5_000,
  })
  onTestFinished(async () => {
    await world.end()
    provider.close()
  })
  return world
}

/** Behind the world's back. */
async function kill(world: World, pid: number): Promise<void> {
  const before = world.unasked.length
  process.kill(pid, 'SIGKILL')
  await until('the world knows of the end', () => world.unasked.length > before)
}

test('a gateway and a job that end by themselves are told, and may be told to end afterwards', async () => {
  const world = await openWorld()
  await world.startGateway()
  await world.startCron(['a'], 50)
  const { gatewayPid, cronPid } = world
  await kill(world, gatewayPid)
  await kill(world, cronPid)
  expect(await world.endGateway(PATIENCE)).toBe(true)
  await world.endCron()
  await world.killGateway()
  world.order({ name: 'measure' })
  expect(world.unasked).toEqual([`gateway ${gatewayPid} ended with SIGKILL`, `job ${cronPid} ended with SIGKILL`])
})

test('what was asked to end, or was killed by the world, is nothing to tell of', async () => {
  const world = await openWorld()
  await world.startGateway()
  await world.startCron(['a'], 50)
  expect(await world.command('title', 'a', 'Mine')).toBe(true)
  expect(await world.command('title')).toBe(false)
  await world.commandToKill(0, 'title', 'a', 'Yours')
  world.startStandBy()
  await world.killStandBy()
  await world.killGateway()
  await world.startGateway()
  expect(await world.endGateway(PATIENCE)).toBe(true)
  expect(await world.endGateway(PATIENCE)).toBe(true)
  await world.endCron()
  await world.endCron()
  await world.startGateway()
  await world.end()
  expect(world.unasked).toEqual([])
})

test('a gateway that does not end in time is killed, which is told by the answer', async () => {
  const world = await openWorld()
  await world.startGateway()
  world.order({ name: 'block', milliseconds: 3_600_000 })
  expect(await world.endGateway(100)).toBe(false)
  expect(world.unasked).toEqual([])
})

test('a stand-by that ends by itself is told, and whoever waits for it to take over hears of it', async () => {
  const world = await openWorld()
  await world.startGateway()
  world.startStandBy()
  const pid = world.standByPid
  await kill(world, pid)
  expect(world.unasked).toEqual([`stand-by ${pid} ended with SIGKILL`])
  await world.killGateway()
  await expect(world.startGateway()).rejects.toThrow('a process of the demo ended with SIGKILL')
  await world.startGateway()
  expect(world.unasked).toHaveLength(1)
})

test('a gateway that does not come to its first word is told to whoever starts it, and to nobody else', async () => {
  const world = await openWorld()
  await world.startGateway()
  await world.killGateway()
  const other = createServer().listen(Number(new URL(world.address).port), '127.0.0.1')
  await once(other, 'listening')
  await expect(world.startGateway()).rejects.toThrow('a process of the demo ended with 1')
  other.close()
  await once(other, 'close')
  await world.startGateway()
  expect(world.unasked).toEqual([])
})
