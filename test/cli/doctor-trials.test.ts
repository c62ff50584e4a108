// What `holdfast doctor` says where locking is not as it should be, and the other process of its trials.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { PEER, Peer } from '../../src/cli/doctor/peer.js'
import { tryDeath, tryFlock, tryRecord, type Bench } from '../../src/cli/doctor/trials.js'
import { tryAcquire, type Hold } from '../../src/index.js'
import { missing, posix, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { PROGRAM } from './program.js'

function bench(peer: Partial<Awaited<ReturnType<Bench['peer']>>> = {}, folder = scratch()): Bench {
  const whole = { pid: 0, ask: () => Promise.resolve(null), kill: () => undefined, ...peer }
  return { folder, peer: () => Promise.resolve(whole) }
}

describe('doctor', () => {
  test('warns where the next holder is not told of a death', async () => {
    const check = await tryDeath(bench())
    expect(check).toMatchObject({ name: 'death', status: 'warning' })
    expect(check.text).toMatch(/^granted [\d.]+ ms after its holder was killed; the next holder was not told/)
  })

  test('fails where a lock is not granted after its holder was killed', async () => {
    const folder = join(scratch(), 'trials')
    mkdirSync(folder)
    let hold: Hold | null = null
    const ask: Peer['ask'] = (_, path) => {
      hold = tryAcquire(path)
      return Promise.resolve(1n)
    }
    const kill = (): void => {
      rmSync(folder, { recursive: true })
      hold?.release()
    }
    const check = await tryDeath(bench({ ask, kill }, folder))
    expect(check).toMatchObject({ name: 'death', status: 'failed' })
    expect(check.text).toMatch(/^not granted after its holder was killed: .*death/)
  })

  test('warns where a lock file can have no record', async () => {
    const trial = bench()
    writeFileSync(join(trial.folder, 'record.hold'), 'of somebody else')
    const check = await tryRecord(trial)
    expect(check).toMatchObject({ name: 'record', status: 'warning' })
    expect(check.text).toContain('so no fencing numbers and no word of a death')
  })

  test.skipIf(missing(posix, program('flock')))('fails where flock(1) does not lock what is free', async () => {
    const programs = scratch()
    const script = `#!/bin/sh
[ "$1" = --nonblock ] && exit 3
PATH=\${PATH#*:} exec flock "$@"
`
    writeFileSync(join(programs, 'flock'), script)
    chmodSync(join(programs, 'flock'), 0o755)
    vi.stubEnv('PATH', `${programs}:${process.env.PATH ?? ''}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await tryFlock(bench())).toMatchObject({ status: 'failed', text: 'it fails with 3' })
  })
})

describe('the other process', () => {
  test('takes and gives back as it is told, and ends when nobody is left to tell it', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const other = fork(PROGRAM, ['doctor', PEER], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    onTestFinished(() => void other.kill('SIGKILL'))
    const answer = async (): Promise<boolean> => {
      const [{ held }] = (await once(other, 'message')) as [{ held: boolean }]
      return held
    }
    const told = (what: string, path = file): Promise<boolean> => {
      const held = answer()
      other.send({ what, path, mode: 'exclusive' })
      return held
    }
    expect(await answer()).toBe(false)
    expect(await told('try')).toBe(true)
    expect(tryAcquire(file)).toBeNull()
    expect(await told('release')).toBe(false)
    const own = tryAcquire(file)
    expect(await told('try')).toBe(false)
    own?.release()
    expect(await told('acquire', join(folder, 'no', 'where'))).toBe(false)
    expect(await told('acquire')).toBe(true)
    const exit = once(other, 'exit')
    other.disconnect()
    expect(await exit).toEqual([0, null])
    const next = tryAcquire(file)
    expect(next?.recoveredFrom?.pid).toBe(other.pid)
    next?.release()
  })

  test('is not waited for where it ends at once', async () => {
    const [, own = ''] = process.argv
    const ends = join(scratch(), 'ends.mjs')
    writeFileSync(ends, '')
    process.argv[1] = ends
    onTestFinished(() => void (process.argv[1] = own))
    await expect(Peer.start()).rejects.toThrow('the other process ended')
  })
})
