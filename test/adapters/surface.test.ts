// The names that gateways import, and what the adapter costs those who do not.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { acquireSessionWriteLock } from '../../src/adapters/session-write-lock.js'
import { sessionFile } from './gateway.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

function run(script: string): unknown {
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT, encoding: 'utf8' })
  return JSON.parse(stdout)
}

test('the entry point exports the names of the field and nothing else', () => {
  const script = `
    const adapter = await import('holdfast/adapters/session-write-lock')
    console.log(JSON.stringify([Object.keys(adapter), Object.keys(adapter.__testing)]))`
  expect(run(script)).toEqual([
    [
      'SessionWriteLockTimeoutError',
      '__testing',
      'acquireSessionWriteLock',
      'cleanStaleLockFiles',
      'drainSessionWriteLockStateForTest',
      'resetSessionWriteLockStateForTest',
      'resolveSessionLockMaxHoldFromTimeout',
      'resolveSessionWriteLockAcquireTimeoutMs',
      'resolveSessionWriteLockOptions',
    ],
    ['cleanupSignals', 'releaseAllLocksSync', 'handleTerminationSignal', 'runLockWatchdogCheck'],
  ])
})

test('no file of the package but its own knows the adapter', () => {
  const files = readdirSync(join(ROOT, 'dist')).filter((name) => name.endsWith('.js'))
  expect(files).toContain('index.js')
  for (const name of files)
    expect(readFileSync(join(ROOT, 'dist', name), 'utf8')).not.toMatch(/session-write-lock|OPENCLAW/)
})

test('the handle is what gateways take apart: functions that need no `this`', async () => {
  const lock = await acquireSessionWriteLock({ sessionFile: sessionFile() })
  const { release, guard, assertHeld } = lock
  assertHeld()
  expect(await guard(() => 'written')).toBe('written')
  await release()
  await release()
  expect(() => assertHeld()).toThrow('released already')
})

test('only the lock file is left of a lock, in a folder that the adapter made', async () => {
  const file = join(dirname(sessionFile()), 'made', 'a.jsonl')
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer: true })
  await lock.release()
  expect(readdirSync(dirname(file))).toEqual(['a.jsonl.hold'])
})
