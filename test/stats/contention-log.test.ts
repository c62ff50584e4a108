// examples/contention-log, run as its users run it.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../../examples/contention-log/main.mjs', import.meta.url))

test('the contention log has a line for each request that waited in vain, with who held the lock, and alerts once', () => {
  const log = join(scratch(), 'contention.jsonl')
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, log], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines).toHaveLength(10)
  for (const line of lines) {
    expect(line).toMatchObject({ label: 'append', outcome: 'timeout' })
    expect(line).toMatchObject({ holder: { owner: 'lane=main', label: 'model call', here: true } })
    expect(line['path']).toMatch(/session\.jsonl$/)
    expect(line['waited']).toBeGreaterThanOrEqual(100)
  }
  expect(lines.map(({ count }) => count)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const lanes = lines.map(({ owner, queued }) => `${String(owner)} ${String(queued)}`)
  expect(lanes.sort()).toEqual(Array.from({ length: 10 }, (_, index) => `lane=session:${index} ${index + 1}`).sort())
  const [alert, sum, ...rest] = stdout.trim().split('\n')
  expect(alert).toMatch(/^more than 5 contended locks on \d{4}-\d\d-\d\d, now .*session\.jsonl$/)
  expect([sum, ...rest]).toEqual(['10 of 10 lanes timed out'])
})
