// The program that runs the original's own tests: it tells what must differ from what may not.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { scratch } from '../../helpers/scratch.js'
import { ROOT } from './files.js'

const PROGRAM = join(ROOT, 'scripts', 'proper-lockfile-suite.mjs')

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, HOLDFAST_PROPER_LOCKFILE_SUITE: undefined, NO_COLOR: '1' }
  return spawnSync(process.execPath, [PROGRAM, ...args], { env, encoding: 'utf8' })
}

/** A suite of our own, with the names of some cases of the original. */
function suite(files: Record<string, string>): string {
  const folder = scratch()
  mkdirSync(join(folder, 'test'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'test', name), text)
  return folder
}

test('without a checkout nothing is run, and it says why', () => {
  const { status, stdout } = run()
  expect([status, stdout.trim()]).toEqual([0, expect.stringMatching(/^skipped: .*HOLDFAST_PROPER_LOCKFILE_SUITE$/)])
})

test('a folder that is no checkout is an error', () => {
  expect(run(scratch())).toMatchObject({ status: 1, stderr: expect.stringContaining('it has no test/') as string })
})

test('the tests run against the built adapter; what fails unexpectedly, passes unexpectedly or is missing is a failure', () => {
  const lock = `
    const lockfile = require('../')
    const { getLocks } = require('../lib/lockfile')
    it('locks', async () => {
      const release = await lockfile(__filename)
      expect(Object.keys(getLocks())).toEqual([__filename])
      expect(require('fs').existsSync(__filename + '.hold')).toBe(true)
      await release()
      jest.fn()
    })
    it('surprises', () => expect('foo.lock').toBe('foo.lock was not edited'))`
  const release = `
    it('should remove the lockfile', () => {})`
  const { status, stdout } = run(suite({ 'lock.test.js': lock, 'release.test.js': release }))
  expect(status).toBe(1)
  expect(stdout).toContain(
    `not ok - lock.test.js: surprises\n  AssertionError: expected 'foo.hold' to be 'foo.hold was not edited'`,
  )
  expect(stdout).toMatch(
    /not ok - release\.test\.js: should remove the lockfile\n {2}is said to differ, .*; and it passes/,
  )
  expect(stdout).toContain(
    'not ok - unlock.test.js: should remove the lockfile\n  is said to differ, and there is no such case',
  )
  expect(stdout).toMatch(/\n0 differ as they must\n1 passed, 31 failed\n$/)
})

test('tests that cannot be read are a failure', () => {
  const { status, stdout } = run(suite({ 'broken.test.js': 'this is no JavaScript' }))
  expect(status).toBe(1)
  expect(stdout).toContain('not ok - broken.test.js')
})
