import { file } from './target.js'
import type { Agent } from './agent.js'

/** Starts the watchdog of another process, for it stays: who counts threads counts it before. */
export async function startWatchdog(agent: Agent): Promise<void> {
  const hold = await agent.acquire(file(), { maxHold: 60_000 })
  await agent.release(hold)
}
