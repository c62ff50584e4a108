// Random schedules of everything a caller, the kernel and the clock can do, over several simulated threads. After each
// step no two holds exclude each other's existence; at the end nothing is left of any of them.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Hold } from '../../src/hold.js'
import { FakeWorld, microtasks } from '../helpers/fake-world.js'

const THREADS = 3
const FILES = ['/a', '/b']

const step = fc.oneof(
  fc.record({
    do: fc.constant('acquire' as const),
    thread: fc.nat(THREADS - 1),
    file: fc.nat(FILES.length - 1),
    shared: fc.boolean(),
    timeout: fc.constantFrom(0, 5, 50, Infinity),
  }),
  fc.record({ do: fc.constant('release' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('abort' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('releaseAll' as const), thread: fc.nat(THREADS - 1) }),
  fc.record({ do: fc.constant('remove' as const), file: fc.nat(FILES.length - 1) }),
  fc.record({ do: fc.constant('deliver' as const) }),
  fc.record({ do: fc.constant('turn' as const) }),
  fc.record({ do: fc.constant('pass' as const), milliseconds: fc.constantFrom(1, 10, 120) }),
  fc.record({ do: fc.constant('block' as const), milliseconds: fc.constantFrom(10, 200) }),
  fc.record({ do: fc.constant('threadless' as const), on: fc.boolean() }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Wait {
  readonly controller: AbortController
  settled: boolean
}

async function play(steps: readonly Step[]): Promise<void> {
  const world = new FakeWorld()
  const threads = Array.from({ length: THREADS }, () => world.thread().holdfast)
  const holds: Hold[] = []
  const waits: Wait[] = []

  const acquire = (thread: number, file: number, shared: boolean, timeout: number): void => {
    const wait: Wait = { controller: new AbortController(), settled: false }
    waits.push(wait)
    const mode = shared ? 'shared' : 'exclusive'
    threads[thread]?.acquire(FILES[file] ?? '', { mode, timeout, signal: wait.controller.signal }).then(
      (hold) => {
        expect(wait.settled).toBe(false)
        wait.settled = true
        holds.push(hold)
      },
      () => {
        wait.settled = true
      },
    )
  }

  const run = (next: Step): void => {
    switch (next.do) {
      case 'acquire':
        acquire(next.thread, next.file, next.shared, next.timeout)
        break
      case 'release':
        if (holds.length > 0) holds.splice(next.which % holds.length, 1)[0]?.release()
        break
      case 'abort':
        if (waits.length > 0) waits[next.which % waits.length]?.controller.abort()
        break
      case 'releaseAll':
        threads[next.thread]?.releaseAll()
        break
      case 'remove':
        world.system.remove(`${FILES[next.file] ?? ''}.hold`)
        break
      case 'deliver':
        world.system.deliver()
        break
      case 'turn':
        world.clock.turn()
        break
      case 'pass':
        world.clock.advance(next.milliseconds)
        break
      case 'block':
        world.clock.block(next.milliseconds)
        break
      case 'threadless':
        world.system.threadless = next.on
        break
    }
  }

  /** Holds whose file was replaced exclude nobody any more; assertHeld() tells them apart, and ends them. */
  const valid = (hold: Hold): boolean => {
    try {
      hold.assertHeld()
      return true
    } catch {
      return false
    }
  }

  for (const next of steps) {
    run(next)
    await microtasks()
    for (const file of FILES) {
      const there = holds.filter((hold) => hold.path === file && valid(hold))
      if (there.some(({ mode }) => mode === 'exclusive')) expect(there).toHaveLength(1)
    }
    // Finding a hold invalid ends it, and that grants the lock to the next waiter.
    await microtasks()
    const told = threads.reduce((sum, thread) => sum + thread.holds().length, 0)
    expect(told).toBe(holds.filter(({ held }) => held).length)
  }

  // Whoever still waits is served once everybody lets go.
  world.system.threadless = false
  for (let round = 0; round < 1000 && waits.some(({ settled }) => !settled); round++) {
    for (const hold of holds.splice(0)) hold.release()
    world.system.deliver()
    world.clock.turn()
    world.clock.advance(60)
    await microtasks()
  }
  expect(waits.every(({ settled }) => settled)).toBe(true)
  for (const hold of holds) hold.release()
  world.system.deliver()
  for (const file of FILES)
    expect(world.system.isQuiet(`${file}.hold`) || !world.system.inodeOf(`${file}.hold`)).toBe(true)
  expect(world.clock.pending).toBe(0)
}

test('no schedule makes two holds overlap, loses a waiter or leaves anything behind', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), play), {
    numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 1000),
  })
}, 120_000)
