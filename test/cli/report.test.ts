// What several commands tell with: texts in lines, files by their names, and processes.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { findNamed } from '../../src/cli/report/find.js'
import { isAlive, threadsOf } from '../../src/cli/report/processes.js'
import { wrapped } from '../../src/cli/report/wrap.js'
import { widthOfText } from '../../src/cli/text.js'
import { missing, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

/** An id that no process has. */
const NOBODY = 4_194_305

describe('a text in lines', () => {
  test.each([
    ['one two three', 7, ['one two', 'three']],
    ['one', 3, ['one']],
    ['a longest word', 4, ['a', 'long', 'est', 'word']],
    ['abcdefgh', 4, ['abcd', 'efgh']],
    ['東京都 x', 4, ['東京', '都 x']],
    ['👍👍 x', 3, ['👍', '👍', 'x']],
  ])('%j in %i columns is broken between words, and in a word that is longer: %j', (text, width, lines) => {
    expect(wrapped(text, width)).toEqual(lines)
    expect(Math.max(...lines.map(widthOfText))).toBeLessThanOrEqual(width)
  })
})

describe('the files of a folder', () => {
  test('are no more than ten thousand, and it is said that there are more', async () => {
    const folder = scratch()
    for (let index = 0; index < 10_000; index++) writeFileSync(join(folder, `${index}.hold`), '')
    const all = await findNamed(folder, { suffix: '.hold', recursive: false })
    expect([all.paths.length, all.cut]).toEqual([10_000, false])
    mkdirSync(join(folder, 'deeper'))
    writeFileSync(join(folder, 'one-more.hold'), '')
    const most = await findNamed(folder, { suffix: '.hold', recursive: true })
    expect([most.paths.length, most.cut]).toEqual([10_000, true])
  })
})

test.skipIf(missing(procfs))('a process that is not there is not alive, and has no threads', () => {
  expect([isAlive(process.pid), isAlive(NOBODY)]).toEqual([true, false])
  expect(threadsOf(process.pid)).toContain(String(process.pid))
  expect(threadsOf(NOBODY)).toEqual([])
})
