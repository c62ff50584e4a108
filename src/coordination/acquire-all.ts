// Several files, all or nothing. Everybody who takes several takes them in one order, that of the files' own numbers
// and not of their names, so two such requests cannot wait for each other.
import type { Request } from '../options.js'
import type { Coordinator } from './coordinator.js'
import type { HoldState } from './hold-state.js'
import { systemError } from './system-error.js'
import { timeoutError } from './timeout-error.js'

interface Member {
  readonly identity: string
  readonly request: Request
}

/** As Coordinator.acquire(). */
export type Acquire = (
  request: Request,
  resolve: (hold: HoldState) => void,
  reject: (error: unknown) => void,
  started?: number,
) => void

export async function acquireAll(
  coordinator: Coordinator,
  requests: readonly Request[],
  acquire: Acquire,
): Promise<HoldState[]> {
  const started = coordinator.clock.now()
  for (;;) {
    const holds: HoldState[] = []
    try {
      const members = inOrder(requests.map((request) => identified(coordinator, request)))
      for (const { request } of members) {
        // One deadline for all of them: when it has passed, the next member is still tried once.
        holds.push(await new Promise<HoldState>((resolve, reject) => acquire(request, resolve, reject, started)))
        request.signal?.throwIfAborted()
      }
      // A file that was replaced since it was identified may now have another place in the order.
      if (members.every((member) => identified(coordinator, member.request).identity === member.identity)) {
        for (const { lostBy } of holds) if (lostBy !== null) throw lostBy
        return holds
      }
      for (const { request } of members) {
        const waited = coordinator.clock.now() - started
        if (waited > request.timeout) throw timeoutError(coordinator.kernel, request, waited, 0, undefined)
      }
    } catch (error) {
      undo(holds)
      throw error
    }
    undo(holds)
  }
}

function identified(coordinator: Coordinator, request: Request): Member {
  try {
    return { identity: coordinator.kernel.identify(request.file), request }
  } catch (error) {
    throw systemError(error, request.file)
  }
}

/** Sorted, and each file once, whatever its names. */
function inOrder(members: readonly Member[]): Member[] {
  const files = new Map(members.map((member) => [member.identity, member]))
  return [...files.values()].sort((a, b) => (a.identity < b.identity ? -1 : 1))
}

function undo(holds: readonly HoldState[]): void {
  for (const hold of [...holds].reverse()) hold.undo()
}
