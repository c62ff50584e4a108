// How long a batch is tried while others change the file at every moment.
import { expect, test } from 'vitest'

import type { Changes, Report } from '../../src/door.js'
import { Writer, type Entry } from '../../src/session/writer.js'
import { file } from '../helpers/target.js'

const DIFFERS: Report = {
  came: 'differs',
  before: null,
  after: null,
  seen: new Uint8Array(0),
  failure: null,
  ended: false,
  undone: true,
}

/** One caller's lines, and what became of them. */
function entry(text: string): Entry & { readonly settled: unknown[] } {
  const settled: unknown[] = []
  const settle = (value: unknown): void => void settled.push(value)
  return { text, size: text.length, expect: undefined, settled, resolve: settle, reject: settle }
}

test('a batch that others keep from being written at every try is given up, and nobody is told that it was written', async () => {
  let tries = 0
  const changes: Changes = {
    make: () => {
      tries++
      return Promise.resolve(DIFFERS)
    },
  }
  const lines = entry('1\n')
  const writer = new Writer({ synced: false, lockfile: '', mode: 0o600 }, false)
  await expect(writer.write(changes, file(), [lines], false)).rejects.toMatchObject({
    code: 'ERR_SESSION_SYSTEM',
    undone: false,
  })
  expect(lines.settled).toEqual([])
  expect(tries).toBeGreaterThan(100)
})
