// The names that programs import, by import and by require(), and what the adapter costs those who do not.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missing } from '../../helpers/capabilities.js'
import { ROOT, someFile } from './files.js'

const NAMES = ['check', 'checkSync', 'lock', 'lockSync', 'unlock', 'unlockSync']

function json(...args: string[]): unknown {
  const { stdout } = spawnSync(process.execPath, ['--no-warnings', ...args], { cwd: ROOT, encoding: 'utf8' })
  return JSON.parse(stdout)
}

test('the entry point exports the names of the original, all of them by default as well, and nothing else', () => {
  const script = `
    import lockfile, * as names from 'holdfast/adapters/proper-lockfile'
    console.log(JSON.stringify([Object.keys(names), Object.keys(lockfile).sort(), typeof lockfile]))`
  expect(json('--input-type=module', '-e', script)).toEqual([
    [...NAMES.slice(0, 2), 'default', ...NAMES.slice(2, 4), 'module.exports', ...NAMES.slice(4)],
    [...NAMES, 'default'].sort(),
    'function',
  ])
})

const canRequire = { name: 'require() of ES modules', there: process.features.require_module }
test.skipIf(missing(canRequire))('require() gives the function that locks, with the others as properties', () => {
  const script = `
    const lockfile = require('holdfast/adapters/proper-lockfile')
    const { lock, unlock } = require('holdfast/adapters/proper-lockfile')
    const file = ${JSON.stringify(someFile())}
    lockfile(file)
      .then(() => unlock(file))
      .then(() => console.log(JSON.stringify([lockfile === lock, Object.keys(lockfile).sort()])))`
  expect(json('-e', script)).toEqual([true, [...NAMES, 'default'].sort()])
})

test('no file of the package but its own knows the adapter', () => {
  const files = readdirSync(join(ROOT, 'dist')).filter((name) => name.endsWith('.js'))
  expect(files).toContain('index.js')
  for (const name of files) expect(readFileSync(join(ROOT, 'dist', name), 'utf8')).not.toMatch(/ECOMPROMISED|ELOCKED/)
})
