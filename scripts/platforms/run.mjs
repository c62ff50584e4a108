// Runs all cases in one runtime.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LONGEST_RUN = 15 * 60_000

/** Resolves with { text, passed, failed, skipped }; rejects when the run ended before its sum. */
export async function runCases(folder, { command, env = {} }) {
  // A file, not a pipe: under Wine, Node cannot write to a pipe that it inherits.
  const path = join(folder, 'output')
  const output = openSync(path, 'w')
  const [program, ...args] = command
  const child = spawn(program, [...args, join(folder, 'test', 'platforms', 'run.js')], {
    // Inside of Wine a runtime starts itself; an emulator must be asked for each time.
    env: { ...process.env, ...env, ...(program === 'wine' ? {} : { HOLDFAST_RUNTIME: JSON.stringify(command) }) },
    stdio: ['ignore', output, output],
    timeout: LONGEST_RUN,
    killSignal: 'SIGKILL',
  })
  closeSync(output)
  const ending = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) => resolve(signal ?? status))
  })
  const text = readFileSync(path, 'utf8').replace(/\r/g, '')
  const sum = /^(\d+) passed, (\d+) failed, (\d+) skipped\s*$/m.exec(text)
  if (sum === null || (ending !== 0 && sum[2] === '0')) throw new Error(`${text}the run ended early (${ending})`)
  const [passed, failed, skipped] = sum.slice(1).map(Number)
  return { text, passed, failed, skipped }
}
