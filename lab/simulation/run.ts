// npm run lab:simulation -- [--steps 5e6] [--seed S] [--schedules N] [--trace]
//
// Simulates processes that lock the same files, schedule after schedule, and judges every step. What fails is printed with
// the command that plays it again, and as a schedule that was made as short as it goes.
import { parseArgs } from 'node:util'

import { play, prepare } from './play.js'
import { Random } from './random.js'
import { shorten } from './shorten.js'
import { simulate, type Failure } from './simulate.js'
import { schedule } from './steps.js'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '5e6' },
    seed: { type: 'string' },
    schedules: { type: 'string', default: 'Infinity' },
    trace: { type: 'boolean', default: false },
  },
})
const bounds = {
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed),
  steps: Number(values.steps),
  schedules: values.trace ? 1 : Number(values.schedules),
  again: 20,
  mostFailures: 5,
}
const print = (line: string): void => {
  console.log(line)
}
const command = (seed: number): string => `npm run lab:simulation -- --seed ${seed} --trace`

if (values.trace) {
  const end = prepare()
  const { violations, hash } = await play(schedule(new Random(bounds.seed)), print)
  end()
  console.log(`trace hash ${hash}`)
  report(1, violations.length)
} else {
  console.log(`Simulates ${bounds.steps} steps from seed ${bounds.seed} on`)
  const begun = performance.now()
  let told = begun
  const onProgress = (steps: number): void => {
    if (performance.now() - told < 10_000) return
    told = performance.now()
    print(`  ${steps} steps after ${Math.round((told - begun) / 1000)} s`)
  }
  const { schedules, steps, failures, unstable, seen } = await simulate(bounds, { onProgress, onFailure: tell })
  const seconds = (performance.now() - begun) / 1000
  for (const seed of unstable) console.log(`Seed ${seed} did not play the same way twice: ${command(seed)}`)
  console.log(`\nSeen: ${[...seen].map(([what, times]) => `${what} ${times}`).join(', ')}`)
  console.log(
    `${steps} steps in ${schedules} schedules, ${seconds.toFixed(1)} s, ${Math.round((steps / seconds) * 60)} a minute; ` +
      `${Math.floor(schedules / bounds.again)} schedules were played twice`,
  )
  report(schedules, failures.length + unstable.length)
}

async function tell({ seed, schedule, violations, after }: Failure): Promise<void> {
  print(`\nSeed ${seed} fails after ${after} steps in all: ${violations.join('; ')}`)
  print(`Play it again: ${command(seed)}`)
  const short = await shorten(schedule)
  print(`With ${short.steps.length} steps, ${short.processes} processes and ${short.owners} owners:`)
  await play(short, (line) => print(`  ${line}`))
}

function report(played: number, failed: number): void {
  console.log(`${Math.max(0, played - failed)} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}
