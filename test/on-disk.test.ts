// The bytes that versions of the package find from each other. Whatever fails here is a change that old versions do not
// understand: fields may be added behind these, and nothing else.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { inspect, tryAcquire } from '../src/index.js'
import { Agent } from './helpers/agent.js'
import { scratch } from './helpers/scratch.js'

const SLOT = [16, 64] as const
const FENCE = [72, 88] as const
const SINCE = [97, 113] as const

/** The lock file's bytes as text. */
function bytesOf(path: string): string {
  return readFileSync(`${path}.hold`, 'latin1')
}

/** What a later version may leave behind: the fixed places, and fields that this one does not know. */
function ofLaterVersion(state: 'held' | 'free', fence: number): string {
  const slot = `"state":"${state}",`.padEnd(48)
  const fixed = `holdfast {"v":1,${slot}"fence":${String(fence).padStart(16)},"since":   1795234363754,`
  const more =
    '"lease":{"term":[7]},"pid":4711,"tid":3,"host":"later","zone":null,"boot":null,"pidns":null,"label":"new"}'
  return `${(fixed + more).padEnd(511)}\n`
}

describe('the lock file', () => {
  test('has its name, and 512 bytes of one line', () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    expect(hold?.lockfile).toBe(`${path}.hold`)
    expect(bytesOf(path)).toMatch(/^[ -~]{511}\n$/)
    hold?.release()
  })

  test('has state, fence and time where every version looks for them', () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path, { label: 'main' })
    const bytes = bytesOf(path)
    expect(bytes.slice(0, SLOT[0])).toBe('holdfast {"v":1,')
    expect(bytes.slice(...SLOT)).toBe('"state":"held",'.padEnd(48))
    expect(bytes.slice(SLOT[1], FENCE[0])).toBe('"fence":')
    expect(bytes.slice(...FENCE)).toMatch(/^ *\d+$/)
    expect(Number(bytes.slice(...FENCE))).toBeGreaterThan(hold?.fence ?? Infinity)
    expect(bytes.slice(FENCE[1], SINCE[0])).toBe(',"since":')
    expect(Number(bytes.slice(...SINCE))).toBe(hold?.since.getTime())
    expect(bytes[SINCE[1]]).toBe(',')
    expect(JSON.parse(bytes.slice('holdfast '.length))).toMatchObject({ v: 1, pid: process.pid, label: 'main' })
    hold?.release()
  })

  test('changes by a release in the slot of the state only', () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    const before = bytesOf(path)
    hold?.release()
    const slot = '"state":"free",'.padEnd(48)
    expect(bytesOf(path)).toBe(before.slice(0, SLOT[0]) + slot + before.slice(SLOT[1]))
  })

  test('does not change when its holder dies', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    await agent.tryAcquire(path)
    const before = bytesOf(path)
    await agent.kill()
    expect(bytesOf(path)).toBe(before)
    expect(before.slice(...SLOT)).toBe('"state":"held",'.padEnd(48))
  })
})

describe('what a later version wrote', () => {
  test('after a death is found, with the fields that are known', () => {
    const path = join(scratch(), 'data')
    writeFileSync(`${path}.hold`, ofLaterVersion('held', 2 ** 51))
    expect(inspect(path)).toMatchObject({
      state: 'abandoned',
      record: { pid: 4711, tid: 3, host: 'later', label: 'new' },
    })
    const hold = tryAcquire(path)
    expect(hold?.recoveredFrom).toMatchObject({
      pid: 4711,
      label: 'new',
      fence: 2 ** 51,
      since: new Date(1795234363754),
    })
    hold?.release()
  })

  test('after a release is no reason to recover, and its fence is exceeded', () => {
    const path = join(scratch(), 'data')
    // Ahead of the clock in microseconds, as after the clock was set back.
    const fence = (Date.now() + 3_600_000) * 1000
    writeFileSync(`${path}.hold`, ofLaterVersion('free', fence))
    expect(inspect(path).state).toBe('free')
    const hold = tryAcquire(path)
    expect(hold?.recoveredFrom).toBeNull()
    expect(hold?.fence).toBeGreaterThanOrEqual(fence)
    hold?.release()
  })
})
