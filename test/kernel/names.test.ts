// Whether a path still names a lease's file, asked while the watchdog ends that lease.
import { expect, test } from 'vitest'

import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { nativeWorld } from '../helpers/native-world.js'
import { scratch } from '../helpers/scratch.js'

test('is answered yes until the lease has ended, and no from then on, however close the two are', () => {
  const world = nativeWorld(scratch())
  const [ours, theirs] = [new NativeKernel(), new NativeKernel()]
  for (let round = 0; round < 200; round++) {
    const file = world.target()
    const answer = ours.request(file, 'exclusive', 'try')
    if (answer.kind !== 'granted') throw new Error(`it is ${answer.kind}`)
    const { lease } = answer
    expect(ours.limit(lease, 1 + (round % 3), null, 0)).toBe('limited')
    while (ours.names(lease, file.lockfile));
    expect(ours.enterGuard(lease)).toBe(false)
    expect(ours.names(lease, file.lockfile)).toBe(false)
    world.blockUntil(() => {
      const next = theirs.request(file, 'exclusive', 'try')
      if (next.kind === 'granted') theirs.release(next.lease, null, 0)
      return next.kind === 'granted'
    })
  }
})
