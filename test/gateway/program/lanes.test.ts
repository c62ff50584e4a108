// Lanes: so many at once, first come first served, and whatever ends a lane, nothing of it holds or waits for a lock then.
import { join } from 'node:path'

import { acquire, isLockError, tryAcquire, type Hold } from 'holdfast'
import { describe, expect, test } from 'vitest'

import { Lanes, LaneTimeoutError, type Lane } from '../../../examples/gateway/src/lanes.js'
import { mustStayBlocked } from '../../helpers/must-stay-blocked.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { Gate, never } from './model.js'

const FOREVER = 1_000_000

describe('so many at once', () => {
  test('the third of two lanes begins when one ends, and those that wait begin in their order', async () => {
    const lanes = new Lanes('lane=main', { size: 2, timeout: FOREVER })
    const gates = Array.from({ length: 5 }, () => new Gate())
    const began: number[] = []
    const runs = gates.map((gate, index) =>
      lanes.run(`${index}`, async () => {
        began.push(index)
        await gate.opened
      }),
    )
    expect(lanes.state).toEqual({ busy: 2, size: 2, waiting: 3 })
    for (const gate of [1, 0, 2]) {
      gates[gate]?.open()
      await runs[gate]
    }
    await until('the last ones begin', () => began.length === 5)
    expect(began).toEqual([0, 1, 2, 3, 4])
    expect(lanes.state).toEqual({ busy: 2, size: 2, waiting: 0 })
    gates[3]?.open()
    gates[4]?.open()
    await Promise.all(runs)
    expect(lanes.state.busy).toBe(0)
  })

  test('a place that goes free belongs to the one who waits, not to the one who comes in that moment', async () => {
    const lanes = new Lanes('lane=main', { size: 1, timeout: FOREVER })
    const order: string[] = []
    const first = lanes.run('a', () => Promise.resolve())
    const second = lanes.run('b', () => Promise.resolve(void order.push('b')))
    await first.then(() => lanes.run('c', () => Promise.resolve(void order.push('c'))))
    await second
    expect(order).toEqual(['b', 'c'])
    expect(lanes.state).toEqual({ busy: 0, size: 1, waiting: 0 })
  })

  test('work that fails, or throws at once, leaves its lane to the next', async () => {
    const lanes = new Lanes('lane=main', { size: 1, timeout: FOREVER })
    await expect(lanes.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const thrower = (): Promise<void> => {
      throw new Error('at once')
    }
    await expect(lanes.run('a', thrower)).rejects.toThrow('at once')
    expect(await lanes.run('a', ({ label }) => Promise.resolve(label))).toBe('lane=main a')
  })
})

function isFree(path: string): boolean {
  const hold = tryAcquire(path)
  hold?.release()
  return hold !== null
}

describe('whatever ends a lane', () => {
  /** Takes the lock, waits for another one that is taken, and tells the lane. */
  async function entangle(
    lanes: Lanes,
    path: string,
  ): Promise<{ lane: Lane; hold: Hold; wait: Promise<Hold>; run: Promise<void> }> {
    const blocker = tryAcquire(`${path}.taken`)
    expect(blocker).not.toBeNull()
    let tell: (tangled: { lane: Lane; hold: Hold; wait: Promise<Hold> }) => void = () => {}
    const tangled = new Promise<Parameters<typeof tell>[0]>((resolve) => (tell = resolve))
    const run = lanes.run('a', async (lane) => {
      const hold = await acquire(path, { owner: lane.owner })
      const wait = acquire(`${path}.taken`, { owner: lane.owner, timeout: Infinity, keep: true })
      wait.catch(() => {})
      tell({ lane, hold, wait })
      await never()
    })
    run.catch(() => {})
    const all = { ...(await tangled), run }
    await mustStayBlocked(all.wait)
    return all
  }

  test('its time: what it holds is free, what it waits for is refused, its signal says why, and the lane is free', async () => {
    const path = join(scratch(), 'lock')
    const lanes = new Lanes('lane=main', { size: 1, timeout: 600 })
    const { lane, hold, wait, run } = await entangle(lanes, path)
    await expect(run).rejects.toThrow(new LaneTimeoutError('lane=main a took longer than 600 ms'))
    expect(lane.signal.reason).toBeInstanceOf(LaneTimeoutError)
    expect(hold.held).toBe(false)
    await expect(wait).rejects.toSatisfy((error) => isLockError(error, 'ERR_LOCK_OWNER_CLOSED'))
    expect(isFree(path)).toBe(true)
    expect(lanes.state.busy).toBe(0)
    await expect(acquire(path, { owner: lane.owner })).rejects.toThrow() // a zombie gets nothing any more
  })

  test('the gateway: the same, with its reason, and no lane begins any more, nor does one that waited', async () => {
    const path = join(scratch(), 'lock')
    const lanes = new Lanes('lane=main', { size: 1, timeout: FOREVER })
    const { hold, wait, run } = await entangle(lanes, path)
    let began = false
    const begin = () => Promise.resolve(void (began = true))
    const queued = lanes.run('b', begin)
    const reason = new Error('the end')
    lanes.close(reason)
    await expect(run).rejects.toBe(reason)
    await expect(queued).rejects.toBe(reason)
    await expect(lanes.run('c', begin)).rejects.toBe(reason)
    await expect(wait).rejects.toSatisfy((error) => isLockError(error, 'ERR_LOCK_OWNER_CLOSED'))
    expect([hold.held, began]).toEqual([false, false])
  })

  test('its work: what it forgot to release is free', async () => {
    const path = join(scratch(), 'lock')
    const lanes = new Lanes('lane=main', { size: 1, timeout: FOREVER })
    const hold = await lanes.run('a', ({ owner }) => acquire(path, { owner }))
    expect(hold.held).toBe(false)
    expect(isFree(path)).toBe(true)
  })

  test('an error that comes after the end of the lane is nobody’s unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const listen = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', listen)
    try {
      const lanes = new Lanes('lane=main', { size: 1, timeout: 20 })
      const gate = new Gate()
      const run = lanes.run('a', async () => {
        await gate.opened
        throw new Error('too late')
      })
      await expect(run).rejects.toBeInstanceOf(LaneTimeoutError)
      gate.open()
      await new Promise((resolve) => setImmediate(resolve))
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', listen)
    }
  })
})
