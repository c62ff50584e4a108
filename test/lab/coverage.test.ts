// The coverage report finds the lines that did not run, and takes no reason for those that did.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { cppLines, missingPrograms } from '../../lab/coverage/cpp.js'
import { judge, type Excuse } from '../../lab/coverage/judge.js'
import { linesOf, type FileLines } from '../../lab/coverage/lines.js'
import { typescriptLines } from '../../lab/coverage/typescript.js'
import { missing } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const SOURCE = `// what it says about zero
const word = process.argv[2]

function say(what) {
  if (what === 'kill') {
    process.kill(process.pid, 'SIGKILL')
  }
  return what === 'one'
    ? 1
    : 2 // or any other
}

say(word)
`

const unreached = (files: readonly FileLines[]): number[] =>
  files.flatMap((file) => linesOf(file, false)).map(({ number }) => number)

/** What processes have noted that each were given one of the words. */
function noted(...words: string[]): { twins: Map<string, string>; notes: string } {
  const folder = scratch()
  const notes = join(folder, 'notes')
  const program = join(folder, 'src', 'sample.js')
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(program, SOURCE)
  mkdirSync(notes)
  for (const word of words)
    spawnSync(process.execPath, [program, word], { env: { ...process.env, NODE_V8_COVERAGE: notes } })
  return { twins: new Map([['src/sample.ts', SOURCE]]), notes }
}

describe('of TypeScript', () => {
  const lines = (...words: string[]): FileLines[] => {
    const { twins, notes } = noted(...words)
    return typescriptLines(twins, notes)
  }

  test('a line counts if it does something, and is reached if one process ran it', () => {
    expect(unreached(lines())).toEqual([2, 4, 5, 6, 8, 9, 10, 13])
    expect(unreached(lines('one'))).toEqual([6, 10])
    expect(unreached(lines('two'))).toEqual([6, 9])
    expect(unreached(lines('one', 'two'))).toEqual([6])
  })

  test('a process that kills itself has noted what it ran before', () => {
    expect(unreached(lines('kill'))).toEqual([8, 9, 10])
  })
})

const lacking = missingPrograms()
const counting = { name: lacking.join(', '), there: process.platform === 'linux' && lacking.length === 0 }

test.skipIf(missing(counting))('of C++, a process that is killed has counted', () => {
  const folder = scratch()
  const [source, program, counters] = [join(folder, 'native', 'a.cc'), join(folder, 'a'), join(folder, 'counters')]
  mkdirSync(join(folder, 'native'))
  mkdirSync(counters)
  const text = [
    '#include <signal.h>',
    'struct Guard {',
    '  ~Guard() {}',
    '};',
    'int Say(int what) {',
    '  {',
    '    Guard guard;',
    '    if (what == 3) return 3;',
    '  }',
    '  what += 1; // clang itself counts nothing for this one',
    '  if (what == 7) {',
    '    return 7;',
    '  }',
    '  return what;',
    '}',
    'int main(int count, char**) {',
    '  Say(count);',
    '  raise(SIGKILL);',
    '}',
  ]
  writeFileSync(source, text.join('\n'))
  const flags = ['-fprofile-instr-generate', '-fcoverage-mapping', '-mllvm', '-runtime-counter-relocation']
  expect(spawnSync('clang++', [...flags, source, '-o', program], { encoding: 'utf8' }).stderr).toBe('')
  const run = (...words: string[]): void => {
    const { signal } = spawnSync(program, words, { env: { LLVM_PROFILE_FILE: join(counters, '%m%c.profraw') } })
    expect(signal).toBe('SIGKILL')
  }
  run()
  expect(unreached(cppLines(program, folder, counters))).toEqual([12])
  run('1', '2', '3', '4', '5')
  expect(unreached(cppLines(program, folder, counters))).toEqual([])
})

describe('a reason', () => {
  const texts = ['const a = 1', 'return null', 'if (b)', '  return null', '}']
  const reached = new Map([
    [1, true],
    [2, false],
    [3, true],
    [4, false],
  ])
  const files = [{ file: 'src/a.ts', texts, reached }]
  const why = 'because'
  const verdict = (excuses: Excuse[], absent: string[] = []) => {
    const { unexplained, stale } = judge(files, absent, excuses)
    return { unexplained: unexplained.map(({ number }) => number), stale: stale.map(({ problem }) => problem) }
  }
  const excuse = (more: Partial<Excuse>): Excuse => ({ file: 'src/a.ts', lines: ['return null'], why, ...more })

  test('is needed for each line that was not reached', () => {
    expect(verdict([])).toEqual({ unexplained: [2, 4], stale: [] })
    expect(verdict([excuse({ under: 'if (b)' })])).toEqual({ unexplained: [2], stale: [] })
    expect(verdict([excuse({ under: 'if (b)' }), excuse({ under: 'const a = 1' })])).toEqual({
      unexplained: [],
      stale: [],
    })
  })

  test('is for one place only', () => {
    expect(verdict([excuse({})])).toEqual({ unexplained: [2, 4], stale: ['the file has these lines more than once'] })
  })

  test('does not hold for lines that were reached, or are not there', () => {
    expect(verdict([excuse({ lines: ['if (b)', 'return null'] })]).stale).toEqual(['reached: line 3'])
    expect(verdict([excuse({ lines: ['if (b)', 'return null'], sometimes: true })]).stale).toEqual([])
    expect(verdict([excuse({ lines: ['return undefined'] })]).stale).toEqual(['there are no such lines'])
    expect(verdict([excuse({ file: 'src/b.ts' })]).stale).toEqual(['there is no such file'])
  })

  test('may be for a file that is not built here, which needs one', () => {
    expect(verdict([], ['native/b.cc']).unexplained).toEqual([2, 4, 0])
    expect(verdict([excuse({ file: 'native/b.cc', lines: [] })], ['native/b.cc'])).toEqual({
      unexplained: [2, 4],
      stale: [],
    })
    expect(verdict([excuse({ lines: [] })]).stale).toEqual(['the file is built here, or there is none'])
  })
})
