// How long the lock of `holdfast run` lasts: as long as the command, whatever ends it, and whatever becomes of holdfast.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { acquire, tryAcquire } from '../../src/index.js'
import { missing, posix, procfs } from '../helpers/capabilities.js'
import { isAlive, killAfterTest } from '../helpers/end.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { COMMAND, holdfast, Running } from './program.js'

const skipped = missing(posix)

describe('the lock', () => {
  test.skipIf(skipped)('goes free when the command has ended, though a child of it lives on', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', path, '-c', 'sleep 60 >/dev/null 2>&1 & echo pid $!.'])
    expect(await running.ended).toEqual({ code: 0, signal: null })
    const child = pidIn(running.output)
    killAfterTest(child)
    expect(isAlive(child)).toBe(true)
    const hold = tryAcquire(path)
    expect(hold?.recoveredFrom).toBeNull()
    hold?.release()
  })

  test.skipIf(skipped)('stays with the command when holdfast is killed, until the command has ended', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', path, '-c', 'echo pid $$.; exec sleep 60'])
    await running.says('.')
    const waiting = acquire(path, { timeout: Infinity })
    await waiterBlocked(`${path}.hold`, process.pid)
    process.kill(running.pid, 'SIGKILL')
    await once(running.process, 'exit')
    await mustStayBlocked(waiting)

    process.kill(pidIn(running.output))
    const hold = await waiting
    expect(hold.recoveredFrom?.pid).toBe(running.pid)
    hold.release()
  })

  test.skipIf(skipped)('goes free when holdfast is killed, with --close', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', '--close', path, '-c', 'echo begun; cat'])
    await running.says('begun')
    expect(tryAcquire(path)).toBeNull()
    process.kill(running.pid, 'SIGKILL')
    const hold = await acquire(path)
    expect(hold.recoveredFrom?.pid).toBe(running.pid)
    hold.release()
  })
})

describe('a hold that ends', () => {
  test.skipIf(skipped)(
    'after --max-hold is told to the command, and the lock goes free when that has ended',
    async () => {
      const path = join(scratch(), 'data')
      const { running, ended } = await revokedAfterItBegan(path)
      const waiting = acquire(path, { timeout: Infinity })
      await mustStayBlocked(waiting)
      running.process.stdin?.end()
      expect(await ended).toEqual({ code: 5, signal: null })
      expect(running.errors).toMatch(/^holdfast: .*maxHold.*\n$/)
      const hold = await waiting
      expect(hold.recoveredFrom).toMatchObject({ pid: running.pid, reason: 'max-hold' })
      hold.release()
    },
  )

  test.skipIf(skipped)('before the command has quite begun is told to it as well', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', '--max-hold', '0.0000001', path, '--', 'sleep', '60'])
    // Or it was over before there was anything to run.
    expect([128 + 15, 71]).toContain((await running.ended).code)
    expect(running.errors).toMatch(/^holdfast: .*maxHold.*\n$/)
  })

  test.skipIf(skipped)('ends a command that does not listen after --kill-after', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', '--kill-after', '0.01', path, '--', ...COMMAND])
    await running.says('.')
    rmSync(`${path}.hold`)
    expect(await running.ended).toEqual({ code: 128 + 9, signal: null })
    expect(running.output).toContain('SIGTERM')
  })

  test.skipIf(skipped)('because its lock file was deleted is told to the command', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', path, '--', 'sh', '-c', 'echo begun; exec cat'])
    await running.says('begun')
    rmSync(`${path}.hold`)
    expect(await running.ended).toEqual({ code: 128 + 15, signal: null })
    expect(running.errors).toMatch(/^holdfast: .*deleted or replaced.*\n$/)
  })
})

test.skipIf(skipped || missing(procfs))(
  'the command inherits one descriptor of the lock, and none with --close',
  () => {
    const cwd = scratch()
    const inherited = (...options: string[]) =>
      holdfast(['run', ...options, 'data', '--', 'find', '/proc/self/fd', '-lname', '*/data.hold'], { cwd }).stdout
    expect(inherited()).toBe('/proc/self/fd/3\n')
    expect(inherited('--close')).toBe('')
  },
)

/** A command that was told, by SIGTERM, when it could hear that: how long it takes to begin nobody knows. */
async function revokedAfterItBegan(path: string) {
  for (let seconds = 0.5; ; seconds *= 2) {
    const running = Running.holdfast(['run', '--max-hold', String(seconds), path, '--', ...COMMAND, '5'])
    const { ended } = running
    await Promise.race([running.says('SIGTERM').catch(() => undefined), ended])
    if (running.output.includes('SIGTERM')) return { running, ended }
  }
}

function pidIn(output: string): number {
  return Number(/pid (\d+)\./.exec(output)?.[1])
}
