// Node's permission model does not see what an addon opens. The library asks it all the same: a lock is a file, and a
// process that may not write there gets none.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { missing, posix, type Capability } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/restricted.mjs', import.meta.url))

const FLAGS = ['--permission', '--experimental-permission']
const flag = FLAGS.find((flag) => spawnSync(process.execPath, [flag, '--allow-addons', '--version']).status === 0)
const permissionModel: Capability = { name: "Node's permission model with addons", there: flag !== undefined }

interface Report {
  report: Record<string, string>[]
  holds: number
}

function restricted(permissions: string[], paths: string[]): Report {
  const args = [flag ?? '', '--allow-addons', ...permissions, PROGRAM, ...paths]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(stdout, stderr).not.toBe('')
  return JSON.parse(stdout) as Report
}

function allOf(outcome: string): Record<string, string> {
  return { acquire: outcome, tryAcquire: outcome, acquireAll: outcome, lockfile: outcome }
}

function folders(): { inside: string; outside: string } {
  const folder = scratch()
  const [inside, outside] = [join(folder, 'inside'), join(folder, 'outside')]
  mkdirSync(inside)
  mkdirSync(outside)
  return { inside, outside }
}

test.skipIf(missing(permissionModel))('a lock works where files may be written, and nowhere else', () => {
  const { inside, outside } = folders()
  const { report, holds } = restricted(
    ['--allow-fs-read=*', `--allow-fs-write=${join(inside, '*')}`],
    [join(inside, 'data'), join(outside, 'data')],
  )
  expect(report).toEqual([allOf('held'), allOf('ERR_ACCESS_DENIED')])
  expect(holds).toBe(0)
  expect(readdirSync(inside).sort()).toEqual(['data.hold', 'data.named'])
  expect(readdirSync(outside)).toEqual([])
})

test.skipIf(missing(permissionModel))('a lock file that may be written but not read is refused', () => {
  const { inside, outside } = folders()
  const packageRoot = fileURLToPath(new URL('../..', import.meta.url))
  const { report } = restricted(
    // Finding the addon looks into /etc, for the kind of C library.
    [...['/etc', packageRoot, inside].map((folder) => `--allow-fs-read=${join(folder, '*')}`), '--allow-fs-write=*'],
    [join(inside, 'data'), join(outside, 'data')],
  )
  expect(report).toEqual([allOf('held'), allOf('ERR_ACCESS_DENIED')])
  expect(readdirSync(outside)).toEqual([])
})

test.skipIf(missing(permissionModel, posix))(
  'it is the place of the lock file that counts, not that of a link to the target',
  () => {
    const { inside, outside } = folders()
    symlinkSync(join(outside, 'data'), join(inside, 'link'))
    const { report } = restricted(
      ['--allow-fs-read=*', `--allow-fs-write=${join(inside, '*')}`],
      [join(inside, 'data'), join(inside, 'link')],
    )
    expect(report[1]).toMatchObject({ acquire: 'ERR_ACCESS_DENIED', tryAcquire: 'ERR_ACCESS_DENIED' })
    expect(readdirSync(outside)).toEqual([])
  },
)
