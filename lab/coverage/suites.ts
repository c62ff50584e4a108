// What is run. What fails in it is told, and is for `npm test` and the labs themselves to judge: nothing is bundled here, and
// counting takes time.
import { spawn } from 'node:child_process'
import { join } from 'node:path'

import type { Stage } from './stage.js'

export interface Suite {
  readonly name: string
  /** Of Node, in the copy. */
  readonly args: readonly string[]
}

export const SUITES: readonly Suite[] = [
  {
    name: 'tests',
    args: [
      join('node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--config',
      join('lab', 'coverage', 'vitest.config.mjs'),
    ],
  },
  { name: 'faults', args: [join('lab', 'dist', 'faults', 'run.js')] },
]

/** A line of theirs that says what failed. */
const FAILURE = /^\s*(?:×|FAIL|FAILED|not ok)\s/

/** Prints what failed, and answers how the suite ended. */
export async function run({ name, args }: Suite, stage: Stage): Promise<void> {
  const begin = performance.now()
  const child = spawn(process.execPath, args, {
    cwd: stage.folder,
    env: { ...process.env, ...stage.environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()))
  const ended = await new Promise<string>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(signal ?? String(code))
    })
  })
  const lines = output.split('\n')
  for (const line of lines.filter((text) => FAILURE.test(text))) console.log(`  ${line.trim()}`)
  const sum = lines.filter((text) => /^\s*(?:Tests {2}|\d+ passed, )/.test(text)).at(-1) ?? lines.slice(-20).join('\n')
  console.log(`${name}: ${sum.trim()} (ended with ${ended}, ${((performance.now() - begin) / 1000).toFixed(0)} s)`)
}
