// What becomes of a message for a session: it needs the session's lock, and is lost if it does not get it.
import type { Lane } from '../fixtures/incident-lanes.mjs'

/** 'written', or why not. The lock is free again afterwards. */
export async function message(lane: Lane, path: string): Promise<string> {
  try {
    const lock = await lane.acquire(path)
    lock.release()
    return 'written'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
