// A world with everything that is going on in it: its provider, its gateway, a job, and traffic that is the same each time.
import { traffic } from '../client.js'
import type { GatewayRules } from '../lock-files/lock-file-files.js'
import { ProviderServer } from '../world/provider-server.js'
import { World } from '../world/world.js'

export interface Stage {
  readonly world: World
  readonly provider: ProviderServer
  /** Ends what is going on, and lets everybody finish. */
  hush(): Promise<void>
  /** Kills everybody. */
  end(): Promise<void>
}

export interface StageOptions {
  readonly folder: string
  /** Null on holdfast. */
  readonly rules: GatewayRules | null
  readonly seed: number
  /** Those to which only the job writes, besides those with traffic. */
  readonly sessions: readonly string[]
}

const worlds = new Set<World>()

/** Kills everybody of all stages, those that are being opened included. */
export async function endAll(): Promise<void> {
  await Promise.all(Array.from(worlds, (world) => world.end()))
}

const BUSY = ['alpha', 'beta', 'gamma', 'delta']
/** Messages a second: those of the incidents. */
const RATE = 270 / 60
const JOB_EVERY = 700
/** Milliseconds that a run may take, in both ways. */
export const LANE_TIMEOUT = 2_000

export async function openStage({ folder, rules, seed, sessions }: StageOptions): Promise<Stage> {
  const provider = new ProviderServer()
  const world = new World({ folder, provider: await provider.listen(), rules, laneTimeout: LANE_TIMEOUT })
  worlds.add(world)
  const ending = new AbortController()
  const end = async (): Promise<void> => {
    ending.abort()
    world.client.close()
    await world.end()
    worlds.delete(world)
    provider.close()
  }
  try {
    await world.startGateway()
    await world.startCron([...BUSY, ...sessions], JOB_EVERY)
  } catch (error) {
    await end()
    throw error
  }
  const going = traffic(world.client, { sessions: BUSY, rate: RATE, seed, signal: ending.signal })
  const hush = async (): Promise<void> => {
    ending.abort()
    await going
    await world.endCron()
  }
  return { world, provider, hush, end }
}
