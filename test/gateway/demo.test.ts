// npm run demo, as a process: an incident on both ways, judged by the files.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import type { JsonReport } from '../../examples/gateway/src/demo/report.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'

const PROGRAM = fileURLToPath(new URL('../../examples/gateway/dist/demo/demo.js', import.meta.url))
const README = fileURLToPath(new URL('../../README.md', import.meta.url))
const GATEWAY = fileURLToPath(new URL('../../examples/gateway/README.md', import.meta.url))

async function demo(...options: string[]): Promise<{ code: number | null; output: string; progress: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, progress, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { code, output, progress }
}

const INCIDENTS = ['I-1', 'I-2', 'I-3', 'I-4', 'I-5']

test('all five incidents lose nothing on holdfast, and messages on lock files', async () => {
  const { code, output, progress } = await demo('--json')
  const report = JSON.parse(output) as JsonReport
  const [ours, theirs] = (['holdfast', 'lock file'] as const).map((way) =>
    report.incidents.filter((one) => one.way === way),
  )
  expect([ours, theirs].map((results) => results?.map(({ incident }) => incident))).toEqual([INCIDENTS, INCIDENTS])
  for (const result of ours ?? []) {
    expect(result).toMatchObject({ ok: true, problems: [], answers: { doubled: 0, disordered: 0 } })
    expect(result.messages.sent).toBeGreaterThan(20)
    expect(result.messages.answered).toBe(result.messages.sent)
    expect(result.recovered).toBeGreaterThan(0)
    expect(progress).toContain(result.incident)
  }
  expect(ours?.[0]?.happened).toContain('cut off and resumed')
  for (const result of theirs ?? []) {
    expect(result.ok).toBe(false)
    expect(result.messages.lost).toBeGreaterThan(0)
  }
  expect(report.whole).toMatchObject({ ok: true, lines: { lost: 0, doubled: 0 }, updates: { lost: 0 } })
  const sent = (ours ?? []).reduce((sum, { messages }) => sum + messages.sent, 0)
  expect(report.whole.messages.sent).toBeGreaterThan(sent)
  expect(code).toBe(0)
}, 150_000)

test('a line that is missing in the end is found, named, and ends it with 1; the page is updated nevertheless', async () => {
  const page = join(scratch(), 'page.md')
  writeFileSync(page, 'before\n<!-- demo -->\nold\n<!-- /demo -->\nafter\n')
  const { code, output } = await demo('--only', 'I-3', '--tamper', '--update', page)
  expect(output).toMatch(/With holdfast NOT everything is well:\n {2}in all slow-call: /)
  expect(code).toBe(1)
  expect(readFileSync(page, 'utf8')).toMatch(
    /^before\n<!-- demo -->\n\n\| incident [^]*\*\*I-3\*\*[^]*<!-- \/demo -->\nafter\n$/,
  )
}, 60_000)

/** In a process group of its own, as a terminal gives it one. */
function start(...options: string[]) {
  const temporary = scratch()
  const child = spawn(process.execPath, [PROGRAM, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
  })
  const group = -(child.pid ?? 0)
  onTestFinished(() => {
    if (child.exitCode === null) process.kill(group, 'SIGKILL')
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece))
  return {
    ended: once(child, 'exit'),
    output: () => output,
    says: (text: string) => until(`it says ${text}`, () => output.includes(text)),
    interrupt: () => process.kill(group, 'SIGINT'),
    left: () => readdirSync(temporary),
  }
}

test('with --serve the gateway and its page stay until a terminal interrupts all processes; then it looks at everything', async () => {
  const demo = start('--only', 'I-3', '--serve')
  await demo.says('the page: ')
  const page = await fetch(/the page: (\S+)/.exec(demo.output())?.[1] ?? '')
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('slow-call')
  demo.interrupt()
  demo.interrupt() // as npm passes it on
  expect(await demo.ended).toEqual([0, null])
  expect(demo.output()).toContain('With holdfast nothing was lost')
  expect(demo.left()).toEqual([])
}, 60_000)

test('interrupted before that, it ends at once and leaves nothing behind', async () => {
  const demo = start('--only', 'I-2')
  await demo.says('I-2')
  demo.interrupt()
  expect(await demo.ended).toEqual([130, null])
  expect(demo.left()).toEqual([])
})

test('what it does not understand it refuses', async () => {
  expect(await demo('--only', 'I-6')).toMatchObject({ code: 1, progress: expect.stringContaining('--only') as string })
  expect(await demo('--seed', 'x')).toMatchObject({ code: 1, progress: expect.stringContaining('--seed') as string })
  expect((await demo('--nothing')).code).toBe(1)
})

test('the README shows all five incidents, none of which holdfast lost anything in', () => {
  const block = /<!-- demo -->([^]*)<!-- \/demo -->/.exec(readFileSync(README, 'utf8'))?.[1] ?? ''
  const rows = block.split('\n').filter((line) => line.includes('| holdfast |'))
  expect(rows.map((row) => /\*\*(I-\d)\*\*/.exec(row)?.[1])).toEqual(INCIDENTS)
  for (const row of rows) expect(row).toMatch(/\| 0 of \d+ \| 0 \| 0 \|$/)
})

test.each([README, GATEWAY])('every picture in %s is there', (page) => {
  const text = readFileSync(page, 'utf8')
  const pictures = [...text.matchAll(/!\[[^\]]*\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
    ([, one, other]) => one ?? other ?? '',
  )
  expect(pictures.length).toBeGreaterThan(1)
  for (const picture of pictures) expect(existsSync(join(dirname(page), picture)), picture).toBe(true)
})
