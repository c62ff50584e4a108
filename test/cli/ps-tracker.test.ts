// What a watch tells from one look to the next.
import { describe, expect, test } from 'vitest'

import type { Holder, Lock, Waiter } from '../../src/cli/ps/lock.js'
import { Tracker, type Change } from '../../src/cli/ps/tracker.js'
import type { LockRecord } from '../../src/index.js'

const NOBODY = { label: null, owner: null, host: null, maxHold: null, fence: null, command: null, confirmed: true }

function at(seconds: number): Date {
  return new Date(1_800_000_000_000 + seconds * 1000)
}

function holder(pid: number, since: Date | null, mode: Holder['mode'] = 'exclusive'): Holder {
  return { ...NOBODY, pid, since, mode }
}

function waiter(pid: number, since: Date | null): Waiter {
  return { pid, since, mode: 'exclusive', command: null }
}

function lock(parts: Partial<Lock>): Lock {
  return { lockfile: '/a.hold', state: 'free', holders: [], waiters: [], abandoned: null, problem: null, ...parts }
}

function told(changes: readonly Change[]): string[] {
  return changes.map(({ event, who, holds }) => [event, who?.pid, ...(holds === undefined ? [] : [holds])].join(' '))
}

describe('a tracker', () => {
  test('tells of everybody who is there at first, then of nothing, then of who has gone', () => {
    const tracker = new Tracker(Infinity)
    const held = lock({ holders: [holder(1, at(0))], waiters: [waiter(2, at(1))] })
    expect(told(tracker.update([held], at(2)).changes)).toEqual(['held 1', 'waiting 2'])
    expect(told(tracker.update([held], at(3)).changes)).toEqual([])
    const next = lock({ holders: [holder(2, at(3.5))] })
    expect(told(tracker.update([next], at(4)).changes)).toEqual(['left 2 true', 'released 1', 'held 2'])
    expect(told(tracker.update([], at(5)).changes)).toEqual(['released 2'])
  })

  test('tells two holds of one process apart by their times', () => {
    const tracker = new Tracker(Infinity)
    tracker.update([lock({ holders: [holder(1, at(0))] })], at(1))
    const { changes } = tracker.update([lock({ holders: [holder(1, at(1.5))] })], at(2))
    expect(told(changes)).toEqual(['released 1', 'held 1'])
    expect(changes[0]?.since).toEqual(at(0))
  })

  test('takes a record that comes after the grant for the same hold, and keeps its time', () => {
    const tracker = new Tracker(Infinity)
    tracker.update([lock({ holders: [holder(1, null)] })], at(1))
    expect(tracker.update([lock({ holders: [holder(1, at(0.5))] })], at(2)).changes).toEqual([])
    const { locks } = tracker.update([lock({ holders: [holder(1, null)] })], at(3))
    expect(locks[0]?.holders[0]?.since).toEqual(at(0.5))
  })

  test('tells of a wait that was given up', () => {
    const tracker = new Tracker(Infinity)
    const holders = [holder(1, at(0))]
    tracker.update([lock({ holders, waiters: [waiter(2, null)] })], at(1))
    expect(told(tracker.update([lock({ holders })], at(2)).changes)).toEqual(['left 2 false'])
  })

  test('counts from the first sight where nothing tells a time', () => {
    const tracker = new Tracker(5000)
    const shared = lock({ holders: [holder(1, null, 'shared')] })
    expect(tracker.update([shared], at(0)).locks[0]?.holders[0]?.since).toBeNull()
    expect(tracker.update([shared], at(4)).locks[0]?.holders[0]?.since).toEqual(at(0))
    expect(told(tracker.update([shared], at(5)).changes)).toEqual(['overdue 1 true'])
  })

  test('tells once that somebody holds or waits for too long, in the first look too', () => {
    const tracker = new Tracker(5000)
    const long = lock({ holders: [holder(1, at(0))], waiters: [waiter(2, at(3))] })
    expect(told(tracker.update([long], at(6)).changes)).toEqual(['held 1', 'overdue 1 true', 'waiting 2'])
    expect(told(tracker.update([long], at(8)).changes)).toEqual(['overdue 2 false'])
    expect(told(tracker.update([long], at(9)).changes)).toEqual([])
  })

  test('tells of each death once', () => {
    const tracker = new Tracker(Infinity)
    const record = { pid: 7, state: 'held', since: at(0) } as LockRecord
    const dead = lock({ state: 'abandoned', abandoned: record })
    expect(told(tracker.update([dead], at(1)).changes)).toEqual(['abandoned 7'])
    expect(told(tracker.update([dead], at(2)).changes)).toEqual([])
    const again = lock({ state: 'abandoned', abandoned: { ...record, since: at(2) } })
    expect(told(tracker.update([again], at(3)).changes)).toEqual(['abandoned 7'])
  })

  test('does not take a lock that cannot be looked at for one that was released', () => {
    const tracker = new Tracker(Infinity)
    const held = lock({ holders: [holder(1, at(0))] })
    tracker.update([held], at(1))
    const hidden = lock({ state: 'unknown', problem: 'no' })
    expect(told(tracker.update([hidden], at(2)).changes)).toEqual(['problem '])
    expect(told(tracker.update([hidden], at(3)).changes)).toEqual([])
    expect(told(tracker.update([held], at(4)).changes)).toEqual([])
  })
})
