// What is done while calls fail: everything that the lock side of the addon does, one operation after the other. Each
// prepares what it needs, arms the fault, and does the one thing it is named after.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { acquire, acquireAll, inspect, Owner, releaseAll, tryAcquire, type Hold } from 'holdfast'

import type { Ending, Stage } from './stage.js'

export interface Operation {
  readonly name: string
  /** What the failing of each of its calls comes to (expected.ts). */
  readonly manner: Manner
  readonly run: (stage: Stage) => Promise<Ending>
}

/**
 * - `takes`: a wait that must get the lock.
 * - `shares`: likewise, for a lock that others have too.
 * - `inherits`: it gets the lock from a hold of the same thread, which ends.
 * - `tries`: one try.
 * - `looks`: it takes nothing.
 * - `ends`: it lets go, which nothing keeps it from.
 * - `in vain`: somebody else keeps the lock.
 * - `limits`: it takes the lock for a limited time.
 */
export type Manner = 'takes' | 'shares' | 'inherits' | 'tries' | 'looks' | 'ends' | 'in vain' | 'limits'

/** Of a wait that will be granted, and of one that must end by itself. */
const LONG = 30_000
const SHORT = 40

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url))

const patience = ({ hopeless }: Stage): number => (hopeless ? SHORT : LONG)

/** Takes the lock, the way a caller would who waits as long as makes sense. */
const take = (stage: Stage, path = stage.file): Promise<Ending> => {
  stage.arm()
  return stage.watch(() => acquire(path, { timeout: patience(stage) }))
}

async function heldHere(stage: Stage, options: { maxHold?: number; owner?: Owner } = {}): Promise<Hold> {
  stage.makeLockFile()
  return await acquire(stage.file, options)
}

async function heldThere(stage: Stage): Promise<void> {
  stage.makeLockFile()
  await stage.peer.hold(stage.file)
}

/** To ask for the signal may end the hold, so it is asked for once. */
const ended = ({ signal }: Hold): Promise<unknown> => {
  return signal.aborted ? Promise.resolve() : once(signal, 'abort')
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'acquire',
    manner: 'takes',
    run(stage) {
      stage.makeLockFile()
      return take(stage)
    },
  },
  {
    name: 'acquire, shared',
    manner: 'shares',
    run(stage) {
      stage.makeLockFile()
      stage.arm()
      return stage.watch(() => acquire(stage.file, { mode: 'shared', timeout: patience(stage) }))
    },
  },
  {
    name: 'acquire, and make the lock file',
    manner: 'takes',
    run: (stage) => take(stage),
  },
  {
    name: 'acquire, and make the lock file like the target',
    manner: 'takes',
    run(stage) {
      stage.makeTarget()
      return take(stage)
    },
  },
  {
    name: 'acquire through a symbolic link',
    manner: 'takes',
    run(stage) {
      stage.makeTarget()
      stage.makeLockFile()
      return take(stage, stage.makeLink())
    },
  },
  {
    name: 'try',
    manner: 'tries',
    async run(stage) {
      stage.makeLockFile()
      stage.arm()
      return await stage.watch(() => tryAcquire(stage.file))
    },
  },
  {
    name: 'acquireAll',
    manner: 'takes',
    run(stage) {
      stage.makeLockFile()
      stage.makeLockFile(stage.other)
      stage.arm()
      const paths = [stage.file, stage.other]
      return stage.watch(async () => (await acquireAll(paths, { timeout: patience(stage) })).holds)
    },
  },
  {
    name: 'wait, and be granted',
    manner: 'takes',
    async run(stage) {
      await heldThere(stage)
      const taken = take(stage)
      await stage.peer.release()
      return await taken
    },
  },
  {
    name: 'wait shared, and be granted',
    manner: 'shares',
    async run(stage) {
      await heldThere(stage)
      stage.arm()
      const taken = stage.watch(() => acquire(stage.file, { mode: 'shared', timeout: patience(stage) }))
      await stage.peer.release()
      return await taken
    },
  },
  {
    name: 'hand over',
    manner: 'inherits',
    async run(stage) {
      stage.makeLockFile()
      // An exact lock file, for then it is not looked for links first, and the second request queues behind the first hold.
      const lockfile = `${stage.file}.hold`
      const hold = await acquire(stage.file, { lockfile })
      const next = acquire(stage.file, { lockfile, timeout: patience(stage) })
      stage.arm()
      hold.release()
      return await stage.watch(() => next)
    },
  },
  {
    name: 'enter again',
    manner: 'takes',
    async run(stage) {
      const owner = new Owner('lane')
      const hold = await heldHere(stage, { owner })
      stage.arm()
      const ending = await stage.watch(() => acquire(stage.file, { owner, timeout: LONG }))
      hold.release()
      return ending
    },
  },
  {
    name: 'time out',
    manner: 'in vain',
    async run(stage) {
      await heldThere(stage)
      stage.arm()
      return await stage.watch(() => acquire(stage.file, { timeout: 2 }))
    },
  },
  {
    name: 'abort',
    manner: 'in vain',
    async run(stage) {
      await heldThere(stage)
      const controller = new AbortController()
      stage.arm()
      const ending = stage.watch(() => acquire(stage.file, { signal: controller.signal, timeout: LONG }))
      setImmediate(() => controller.abort())
      return await ending
    },
  },
  {
    name: 'abort, and be granted all the same',
    manner: 'in vain',
    async run(stage) {
      await heldThere(stage)
      const controller = new AbortController()
      stage.arm()
      const ending = stage.watch(() => acquire(stage.file, { signal: controller.signal, timeout: LONG }))
      setImmediate(() => controller.abort())
      const came = await ending
      await stage.peer.release() // its orphan is granted while calls fail
      await stage.peer.gets(stage.file)
      return came
    },
  },
  {
    name: 'release',
    manner: 'ends',
    async run(stage) {
      const hold = await heldHere(stage)
      stage.arm()
      return await stage.look(() => hold.release())
    },
  },
  {
    name: 'close the owner',
    manner: 'ends',
    async run(stage) {
      const owner = new Owner('lane')
      await heldHere(stage, { owner })
      stage.arm()
      return await stage.look(() => owner.close('the run is over'))
    },
  },
  {
    name: 'releaseAll',
    manner: 'ends',
    async run(stage) {
      const hold = await heldHere(stage)
      stage.arm()
      const ending = await stage.look(() => releaseAll('the end'))
      hold.release()
      return ending
    },
  },
  {
    name: 'revoke by maxHold',
    manner: 'ends',
    async run(stage) {
      const hold = await heldHere(stage, { maxHold: 60_000 })
      const revoked = ended(hold)
      stage.arm()
      return await stage.look(async () => {
        hold.extend(1)
        await revoked
        await stage.peer.gets(stage.file) // until the watchdog has done its part
      })
    },
  },
  {
    name: 'end a worker',
    manner: 'ends',
    async run(stage) {
      await heldThere(stage)
      stage.makeLockFile(stage.other)
      const worker = new Worker(WORKER, { workerData: { held: stage.other, waited: stage.file } })
      await once(worker, 'message')
      stage.arm()
      const ending = await stage.look(async () => {
        await worker.terminate()
      })
      return ending
    },
  },
  {
    name: 'inspect what is free',
    manner: 'looks',
    async run(stage) {
      stage.makeLockFile()
      stage.arm()
      return await stage.look(() => inspect(stage.file))
    },
  },
  {
    name: 'inspect what is held',
    manner: 'looks',
    async run(stage) {
      await heldThere(stage)
      stage.arm()
      return await stage.look(() => inspect(stage.file))
    },
  },
  {
    name: 'check that it is held',
    manner: 'looks',
    async run(stage) {
      const hold = await heldHere(stage)
      stage.arm()
      const ending = await stage.look(() => hold.assertHeld())
      return { ...ending, holds: [hold] }
    },
  },
]

/** What only a process that has done nothing yet can show: there, the first limit starts the watchdog. */
export const FIRST: Operation = {
  name: 'limit the first hold',
  manner: 'limits',
  async run(stage) {
    stage.makeLockFile()
    stage.arm()
    return await stage.look(async () => {
      const hold = await acquire(stage.file, { maxHold: 60_000 })
      const revoked = ended(hold)
      hold.extend(1)
      await revoked // by the event loop, where there is no watchdog
    })
  },
}
