// Hostile surroundings (lab/hostile): all of it, for it takes seconds. `npm run lab:hostile` prints each case and its outcome.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { missing, posix, procfs } from '../helpers/capabilities.js'

const PROGRAM = fileURLToPath(new URL('../../lab/dist/hostile/run.js', import.meta.url))

const compiled = { name: 'the compiled lab (npm run compile:lab)', there: existsSync(PROGRAM) }

function run(): Promise<{ lines: string[]; ended: Error | null }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM], (ended, stdout) => resolve({ lines: stdout.split('\n'), ended }))
  })
}

test.skipIf(missing(compiled, posix, procfs))(
  'no case touches what it must not, blocks, leaks, or ends otherwise than in a typed error or a correct lock',
  { timeout: 300_000 },
  async () => {
    const { lines, ended } = await run()
    for (const line of lines) if (line.startsWith('skipped: ')) console.log(line)
    expect({ wrong: lines.filter((line) => /^(FAIL| {8})/.test(line)), ended }).toEqual({ wrong: [], ended: null })
    const [, passed = '0'] = /^(\d+) passed, 0 failed$/m.exec(lines.join('\n')) ?? []
    expect(Number(passed)).toBeGreaterThanOrEqual(80)
  },
)
