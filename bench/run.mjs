// node bench/run.mjs [--quick] [--only <row or group>]: holdfast, raw C and the peers side by side. A full run writes
// RESULTS.md and the plots; --quick (some minutes) and --only print and write nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { environment } from './lib/environment.mjs'
import { buildRaw } from './lib/raw.mjs'
import { checksTable, environmentList, rowMarkdown } from './lib/report.mjs'
import { duration } from './lib/stats.mjs'
import { barChart } from './lib/svg.mjs'
import * as row1 from './rows/1-try.mjs'
import * as row2 from './rows/2-acquire.mjs'
import * as row3 from './rows/3-lanes.mjs'
import * as row4 from './rows/4-hand-over.mjs'
import * as row5 from './rows/5-killed-holder.mjs'
import * as row6 from './rows/6-fairness.mjs'
import * as row7 from './rows/7-many-files.mjs'
import * as row8 from './rows/8-idle.mjs'
import * as row9 from './rows/9-first-lock.mjs'
import * as row10 from './rows/10-owner.mjs'
import * as row11 from './rows/11-guard.mjs'
import * as row12 from './rows/12-events.mjs'
import * as row13 from './rows/13-durable-appends.mjs'
import * as row14 from './rows/14-appends.mjs'
import * as row15 from './rows/15-store.mjs'
import * as row16 from './rows/16-long-transcript.mjs'
import * as row17 from './rows/17-session-lock.mjs'
import * as row18 from './rows/18-shared-transcript.mjs'
import * as row19 from './rows/19-command.mjs'
import * as row20 from './rows/20-proper-lockfile.mjs'
import * as row21 from './rows/21-remote-acquire.mjs'
import * as row22 from './rows/22-remote-hand-over.mjs'
import * as row23 from './rows/23-remote-killed.mjs'
import * as row24 from './rows/24-remote-partition.mjs'

const LOCKS = [row1, row2, row3, row4, row5, row6, row7, row8, row9, row10, row11, row12, row19, row20]
const WRITERS = [...row13.rows, ...row14.rows, row15, row16, row17, row18]
const REMOTE = [row21, row22, row23, row24]
const ROWS = [...LOCKS, ...WRITERS, ...REMOTE]
const GROUPS = { locks: LOCKS, writer: WRITERS, remote: REMOTE }
const COMMAND = 'npm run bench'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const chosen = GROUPS[values.only] ?? ROWS.filter(({ id }) => values.only === undefined || id === values.only)
if (chosen.length === 0) {
  console.error(`--only takes one of ${[...Object.keys(GROUPS), ...ROWS.map(({ id }) => id)].join(', ')}`)
  process.exit(2)
}
if (process.platform === 'win32') {
  console.error('the baseline is flock(2): run this on Linux or macOS')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
try {
  const raw = buildRaw(folder)
  const where = environment(folder, raw.compiler)
  console.log(environmentList(where))
  const results = []
  for (const row of chosen) {
    results.push({ id: row.id, title: row.title, ...(await row.measure({ folder, raw, quick: values.quick })) })
    console.log(`\n${rowMarkdown(results.at(-1))}`)
  }
  console.log(`\n## Targets\n\n${checksTable(results.flatMap(({ checks }) => checks))}`)
  if (!values.quick && values.only === undefined) write(where, results)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function write(where, results) {
  const plots = join(import.meta.dirname, 'results')
  mkdirSync(plots, { recursive: true })
  for (const result of results) {
    if (result.plot === undefined) continue
    writeFileSync(join(plots, `${result.id}.svg`), chart(result))
    result.plotFile = `results/${result.id}.svg`
  }
  const summary = checksTable(
    results.flatMap(({ title, checks }) => checks.map((one) => ({ ...one, what: `${title}: ${one.what}` }))),
  )
  const page = [
    '# Results',
    `Written by \`${COMMAND}\`; run it to get your own. Everything is measured in one run, side by side, in rounds that take turns.`,
    environmentList(where),
    '## Targets',
    summary,
    ...results.map(rowMarkdown),
  ].join('\n\n')
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), `${page}\n`)
}

function chart({ entries, plot: { number = duration, ...plot } }) {
  const bars = entries
    .filter(({ reason }) => reason === undefined)
    .map(({ name, median }) => ({ name, value: median, text: number(median) }))
  return barChart({ ...plot, bars })
}
