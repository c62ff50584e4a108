// The programs of docs/session.md, run as they stand there.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { scratch } from '../helpers/scratch.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCUMENT = readFileSync(join(ROOT, 'docs', 'session.md'), 'utf8')
const PROGRAMS = [...DOCUMENT.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => String(match[1]))

/** Runs a program, and answers with what it printed and what is in the files it wrote. */
function run(program: string | undefined, file: string): { printed: string; content: string } {
  const folder = scratch()
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules', 'holdfast'), 'junction')
  writeFileSync(join(folder, 'main.mjs'), program ?? '')
  const { stdout, stderr } = spawnSync(process.execPath, ['main.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(stderr).toBe('')
  return { printed: stdout, content: readFileSync(join(folder, file), 'utf8') }
}

test('there are as many programs as are run here', () => {
  expect(PROGRAMS).toHaveLength(3)
})

test('a transcript is written and read', () => {
  const { printed, content } = run(PROGRAMS[0], 'session.jsonl')
  expect(printed).toBe('hello,,hi\n')
  expect(content.split('\n')).toHaveLength(4)
})

test('a version guards an append, and a compaction keeps what it was told to', () => {
  const { printed, content } = run(PROGRAMS[1], 'session.jsonl')
  expect(printed).toBe('somebody has\n')
  expect(content).toBe('{"text":"two"}\n')
})

test('a store is updated by a lane and by a script', () => {
  const { printed, content } = run(PROGRAMS[2], 'sessions.json')
  expect(printed).toBe('1\n')
  expect(JSON.parse(content)).toEqual({ a: { runs: 1 }, b: {} })
})

test('every kind of event and every option of a transcript is in it', () => {
  const source = (name: string): string => readFileSync(join(ROOT, 'src', 'session', name), 'utf8')
  const kinds = [...source('events.ts').matchAll(/^ {3}\* - `(\w+)`/gm)].map((match) => String(match[1]))
  const options = /export interface TranscriptOptions \{(.*?)^\}/ms.exec(source('transcript-options.ts'))?.[1] ?? ''
  const names = [...options.matchAll(/^ {2}(\w+)\?: /gm)].map((match) => String(match[1]))
  expect([kinds.length, names.length]).toEqual([6, 9])
  const missing = [...kinds, ...names].filter((name) => !new RegExp(`[\`{ ]${name}[\`, }]`).test(DOCUMENT))
  expect(missing).toEqual([])
})
