// The numbers of a file that Node has are those of the engine.
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { isFileOf } from '../../src/kernel/same-file.js'
import { scratch } from '../helpers/scratch.js'

test('a file is known by what the engine calls it, and no other one is', async () => {
  const kernel = new NativeKernel()
  const folder = scratch()
  const [one, other] = [join(folder, 'one'), join(folder, 'other')]
  writeFileSync(one, '')
  writeFileSync(other, '')
  for (const path of [one, other]) {
    const { before } = await kernel.change({ task: 'look', path }, null)
    const known = [one, other].filter((file) => isFileOf(before?.name ?? '', statSync(file, { bigint: true })))
    expect(known).toEqual([path])
  }
})

test('on Windows a file is known by its number on its volume, as far as Node has that', () => {
  const digits = (number: bigint): string => number.toString(16).padStart(16, '0')
  const nameOf = (upper: bigint, lower: bigint): string => [7n, upper, lower, 0n].map(digits).join('')
  const stat = { dev: 8n, ino: 2n ** 63n + 5n }
  expect(isFileOf(nameOf(0n, stat.ino), stat, 'win32')).toBe(true)
  expect(isFileOf(nameOf(0n, 5n), stat, 'win32')).toBe(false)
  expect(isFileOf(nameOf(1n, 5n), stat, 'win32')).toBe(true) // of 128 bits, of which Node shows others
})
