// A short program that goes through every way in which a lease lives and ends: for one run of a build with a sanitizer.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { acquire, acquireAll, inspect, Owner, tryAcquire } from 'holdfast'

const ROUNDS = 20
const FILES = 4

/** What a worker does: it takes the locks one after the other, and is ended in the middle of it. */
async function work(folder: string): Promise<void> {
  parentPort?.postMessage('ready')
  for (;;) {
    for (let file = 0; file < FILES; file++) {
      const hold = await acquire(join(folder, String(file)))
      await hold.guard(() => undefined)
      hold.release()
    }
  }
}

async function round(folder: string, workers: number): Promise<void> {
  const threads = Array.from(
    { length: workers },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: { folder } }),
  )
  await Promise.all(threads.map((thread) => once(thread, 'message')))
  const paths = Array.from({ length: FILES }, (_, file) => join(folder, String(file)))
  for (let turn = 0; turn < ROUNDS; turn++) {
    const owner = new Owner('lane')
    const waits = paths.map((path) => acquire(path, { owner, timeout: turn % 2 === 0 ? 5 : 1000, maxHold: 20 }))
    const shared = paths.map((path) => acquire(path, { mode: 'shared', timeout: 3 }))
    for (const result of await Promise.allSettled([...waits, ...shared])) {
      if (result.status === 'fulfilled') result.value.release()
    }
    const set = await acquireAll(paths, { timeout: 10_000 })
    await set.guard(() => paths.map((path) => inspect(path)))
    set.release()
    const controller = new AbortController()
    const aborted = paths.map((path) => acquire(path, { signal: controller.signal }))
    setImmediate(() => controller.abort())
    for (const result of await Promise.allSettled(aborted)) {
      if (result.status === 'fulfilled') result.value.release()
    }
    tryAcquire(join(folder, 'alone'))?.release()
    const limited = await acquire(join(folder, 'limited'), { maxHold: 1 })
    while (limited.held) await new Promise((resolve) => setTimeout(resolve, 1))
    owner.close('the round is over')
  }
  await Promise.all(threads.map((thread) => thread.terminate()))
}

if (isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-exercise-'))
  await round(folder, 2)
  rmSync(folder, { recursive: true, force: true })
  console.log('done')
} else {
  await work((workerData as { folder: string }).folder)
}
