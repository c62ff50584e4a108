// What is read of the kernel's table of locks, which is handed out a page at a time.
import fs from 'node:fs'
import { join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { kernelQueue } from '../../src/kernel/proc-locks.js'
import { Agent } from '../helpers/agent.js'
import { missing, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

test.skipIf(missing(procfs))('a table that repeats an entry is read again, until it says the same twice', async () => {
  const file = join(scratch(), 'file')
  const agent = await Agent.start()
  await agent.acquire(file)
  const { readFileSync } = fs
  let reads = 0
  const spy = vi.spyOn(fs, 'readFileSync').mockImplementation((path, options) => {
    const text = readFileSync(path, options)
    if (path !== '/proc/locks') return text
    return ++reads === 1 ? `${String(text)}${String(text)}` : text
  })
  onTestFinished(() => spy.mockRestore())
  expect(kernelQueue(`${file}.hold`).holders).toEqual([{ pid: agent.pid, mode: 'exclusive' }])
  expect(reads).toBe(3)
})
