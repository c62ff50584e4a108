// Which group a process is in, and which is in the foreground of its terminal: one system tells by a file, all by ps(1).
import { spawnSync } from 'node:child_process'

import { expect, test } from 'vitest'

import { groupsByProc, groupsByPs } from '../../src/cli/run/foreground.js'
import { missing, procfs } from '../helpers/capabilities.js'

const columns = {
  name: 'a ps(1) that knows tpgid',
  there: spawnSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)]).status === 0,
}

test.skipIf(missing(procfs, columns))('the system and ps(1) tell the same', () => {
  expect(groupsByPs()).toEqual(groupsByProc())
  expect(groupsByPs()).toEqual([expect.stringMatching(/^\d+$/), expect.stringMatching(/^-?\d+$/)])
})
