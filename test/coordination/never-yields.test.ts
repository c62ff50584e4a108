// A loop of acquire and release that never gives the event loop a turn: what is put off to the next turn must not pile up.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { expect, test } from 'vitest'

import type { Hold } from '../../src/hold.js'
import { FakeWorld, microtasks } from '../helpers/fake-world.js'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

test.each([Infinity, 60_000])(
  'keeps neither handles nor deadlines of holds that have ended (maxHold %d)',
  async (maxHold) => {
    const { holdfast } = new FakeWorld().thread()
    const handles: WeakRef<Hold>[] = []
    for (let i = 0; i < 5000; i++) {
      const hold = holdfast.tryAcquire('/a', { maxHold })
      if (hold === null) throw new Error('the lock is held')
      hold.release()
      handles.push(new WeakRef(hold))
    }
    await microtasks() // references from this turn are let go; the clock of the locks has had none
    collectGarbage()
    expect(handles.filter((handle) => handle.deref() !== undefined).length).toBeLessThan(200)
  },
)

test('keeps none of the states either', async () => {
  const { holdfast } = new FakeWorld().thread()
  const signals: WeakRef<AbortSignal>[] = []
  for (let i = 0; i < 2000; i++) {
    const hold = holdfast.tryAcquire('/a', { maxHold: 60_000 })
    if (hold === null) throw new Error('the lock is held')
    signals.push(new WeakRef(hold.signal))
    hold.release()
  }
  await microtasks()
  collectGarbage()
  expect(signals.filter((signal) => signal.deref() !== undefined).length).toBeLessThan(200)
})
