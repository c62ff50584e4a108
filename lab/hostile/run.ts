// Plays every case as root and as a user without rights: `node lab/dist/hostile/run.js [--only TEXT]`.
// Prints how each ended; exits with 1 if one did not end as it must.
import { lstatSync, readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'

import type { Case } from './case.js'
import { CASES } from './cases/all.js'
import { Stage, type Verdict } from './judge.js'
import { otherUsers, USERS } from './users.js'

const { values } = parseArgs({ options: { only: { type: 'string' } } })

/** What everybody uses, and hostile files lead to. */
const SHARED = ['/dev/zero', '/dev/null', '/dev/full', '/dev/random', '/dev/tty', '/proc', '/']

function sharedState(): string {
  const made = readdirSync('/dev').filter((name) => name.includes('.hold'))
  const states = SHARED.map((path) => {
    const { mode, uid, gid, rdev } = lstatSync(path)
    return `${path} ${mode.toString(8)} ${uid} ${gid} ${rdev}`
  })
  return [...states, ...made].join('\n')
}

function inOneLine(text: string): string {
  const line = text.split('\n').join(' | ')
  return line.length > 300 ? `${line.slice(0, 300)} …` : line
}

async function playAll(cases: readonly Case[]): Promise<Map<Case, Verdict[]>> {
  const verdicts = new Map(cases.map((one) => [one, new Array<Verdict>()]))
  const columns = USERS.map(async ({ name, identity }, column) => {
    const stage = new Stage(name, identity)
    for (const [one, row] of verdicts) row[column] = await stage.play(one)
    await stage.end()
  })
  await Promise.all(columns)
  return verdicts
}

const began = performance.now()
const stateBefore = sharedState()
const wanted = CASES.filter(({ name }) => name.includes(values.only ?? ''))
const skipped = wanted.filter(({ needs = [] }) => needs.some(({ there }) => !there))
const names = USERS.map(({ name }) => name)
console.log(`Hostile surroundings: ${wanted.length} cases, each as ${names.join(' and as ')}.`)
if (!otherUsers.there) console.log(`skipped: every case as two users: this machine lacks ${otherUsers.name}`)
for (const { name, needs = [] } of skipped) {
  const lacking = needs.filter(({ there }) => !there).map((need) => need.name)
  console.log(`skipped: ${name}: this machine lacks ${lacking.join(' and ')}`)
}

let [passed, failed] = [0, 0]
for (const [{ name }, row] of await playAll(wanted.filter((one) => !skipped.includes(one)))) {
  const outcomes = new Set(row.map(({ outcome }) => outcome))
  const both = outcomes.size === 1
  const shown = row.map(({ outcome }, column) => (both ? outcome : `${names[column] ?? ''}: ${outcome}`))
  const good = row.every(({ wrong }) => wrong.length === 0)
  console.log(`${good ? 'ok  ' : 'FAIL'}  ${name}  →  ${[...new Set(shown)].join(', ')}`)
  for (const [column, { wrong }] of row.entries()) {
    for (const what of wrong) console.log(`        as ${names[column] ?? ''}: ${inOneLine(what)}`)
    if (wrong.length > 0) failed++
    else passed++
  }
}
if (sharedState() !== stateBefore) {
  failed++
  console.log(`FAIL  files that everybody uses were touched:\n${stateBefore}\nare now\n${sharedState()}`)
}
console.log(`${((performance.now() - began) / 1000).toFixed(1)} s`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
