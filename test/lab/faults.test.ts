// The lock side when the system refuses: the short form of the lab's faults, each with its own process beside it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { missing } from '../helpers/capabilities.js'

const PROGRAM = fileURLToPath(new URL('../../lab/dist/faults/run.js', import.meta.url))

const compiled = { name: 'the compiled lab (npm run compile:lab)', there: existsSync(PROGRAM) }

test.skipIf(missing(compiled))(
  'whatever call fails, the error is right and nothing is left',
  { timeout: 120_000 },
  () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [PROGRAM, '--short'], { encoding: 'utf8' })
    const [skipped] = /^skipped: .*$/m.exec(stdout) ?? []
    if (skipped !== undefined) {
      console.log(skipped)
      return
    }
    const [, passed = '0', failed = ''] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? []
    const failures = stdout.split('\n').filter((line) => line.startsWith('FAILED'))
    expect({ failures: failures.slice(0, 20), failed, status, stderr }).toEqual({
      failures: [],
      failed: '0',
      status: 0,
      stderr: '',
    })
    expect(Number(passed)).toBeGreaterThan(400)
  },
)

test.skipIf(missing(compiled))('faults may happen at every call that the kernel sees', { timeout: 120_000 }, () => {
  const { stdout, status } = spawnSync(process.execPath, [PROGRAM, '--witness'], { encoding: 'utf8' })
  const [skipped] = /^skipped: .*$/m.exec(stdout) ?? []
  if (skipped !== undefined) console.log(skipped)
  expect({ failures: stdout.split('\n').filter((line) => line.startsWith('FAILED')), status }).toEqual({
    failures: [],
    status: 0,
  })
})
