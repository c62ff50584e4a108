// The programs of docs/diagnostics.md, run as they stand there.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { scratch } from '../helpers/scratch.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCUMENT = readFileSync(join(ROOT, 'docs', 'diagnostics.md'), 'utf8')
const PROGRAMS = [...DOCUMENT.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => String(match[1]))

/** The part of @opentelemetry/api that the document uses, which tells of each span when it ends. */
const OPENTELEMETRY = `
  export const SpanStatusCode = { ERROR: 2 }
  class Span {
    constructor(name, { attributes }) { Object.assign(this, { name, attributes, status: null, exception: null }) }
    setAttributes(attributes) { Object.assign(this.attributes, attributes) }
    setStatus(status) { this.status = status }
    recordException({ code }) { this.exception = code }
    end() { console.log(JSON.stringify(this)) }
  }
  export const trace = { getTracer: () => ({ startSpan: (name, options) => new Span(name, options) }) }`

function program(having: string): string {
  const [found, ...others] = PROGRAMS.filter((text) => text.includes(having))
  if (found === undefined || others.length > 0) throw new Error(`not one program has ${having}`)
  return found
}

/** What it prints. */
function run(text: string): string {
  const folder = scratch()
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@opentelemetry', 'api'), { recursive: true })
  symlinkSync(ROOT, join(modules, 'holdfast'), 'junction')
  writeFileSync(join(modules, '@opentelemetry', 'api', 'index.mjs'), OPENTELEMETRY)
  writeFileSync(join(modules, '@opentelemetry', 'api', 'package.json'), '{ "exports": "./index.mjs" }')
  writeFileSync(join(folder, 'main.mjs'), text)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['main.mjs'], { cwd: folder, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout
}

test('there are as many programs as are run here', () => {
  expect(PROGRAMS).toHaveLength(4)
})

test('the subscriber of the first program runs, and finds that the lock was held for long', () => {
  const slow = program('was held for').replace('heldFor > 1_000', 'heldFor >= 0').replace('console.warn', 'console.log')
  expect(run(slow)).toMatch(/data was held for \d+ ms by null\n$/)
  expect(run(program('was held for'))).toBe('')
})

test('the contention log is the one in examples/', () => {
  const example = readFileSync(join(ROOT, 'examples', 'contention-log', 'contention-log.mjs'), 'utf8')
  expect(example.replace(/^\/\/.*\n/, '')).toBe(program('logContention'))
  expect(
    program('logContention')
      .split('\n')
      .filter((line) => line !== '').length,
  ).toBeLessThanOrEqual(15)
})

test('OpenTelemetry gets a span for each request, with what became of it', () => {
  const spans = run(program('opentelemetry')).trim().split('\n')
  expect(spans.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    {
      name: 'lock.acquire',
      attributes: {
        'lock.path': expect.stringMatching(/data$/) as unknown,
        'lock.mode': 'exclusive',
        'lock.outcome': 'granted',
      },
      status: null,
      exception: null,
    },
    {
      attributes: { 'lock.outcome': 'timeout' },
      status: { code: 2, message: 'timeout' },
      exception: 'ERR_LOCK_TIMEOUT',
    },
  ])
})

test('statistics are taken', () => {
  expect(run(program('collectStats'))).toMatch(/^1 [\d.]+ [\d.]+ .*data\.hold 0\n$/)
})

test('every channel and every field of the events is named', () => {
  const [source, delivery] = ['events.ts', 'channels.ts'].map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))
  if (source === undefined || delivery === undefined) throw new Error('there are two files')
  const channels = [...delivery.matchAll(/'(holdfast:\w+)'\)/g)].map((match) => String(match[1]))
  expect(new Set(channels).size).toBe(9)
  for (const channel of channels) expect(DOCUMENT).toContain(`\`${channel}`)
  const interfaces = [...source.matchAll(/^export interface \w+.*?\{\n(.*?)^\}/gms)].map((match) => String(match[1]))
  const fields = interfaces.flatMap((text) => [...text.matchAll(/^ {2}(\w+)\??: /gm)].map((match) => String(match[1])))
  expect(fields.length).toBeGreaterThan(25)
  expect(fields.filter((field) => !new RegExp(`[\`{ ]${field}[\`, }]`).test(DOCUMENT))).toEqual([])
})
