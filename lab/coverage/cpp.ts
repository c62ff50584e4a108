// What of native/ was reached, from the counters of the addon that clang built.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

import type { FileLines } from './lines.js'

const PROGRAMS = ['clang++', 'llvm-profdata', 'llvm-cov']

export function missingPrograms(): string[] {
  const missing = PROGRAMS.filter((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error !== undefined)
  return missing.length > 0 || counts() ? missing : ['the library of clang that counts (libclang_rt.profile)']
}

/** Debian has the library that counts in a package of its own. */
function counts(): boolean {
  const args = ['-fprofile-instr-generate', '-x', 'c++', '-', '-o', '/dev/null']
  return spawnSync('clang++', args, { input: 'int main() {}' }).status === 0
}

/** Only of the files that this system's addon is built from, their headers included. */
export function cppLines(addon: string, project: string, counters: string): FileLines[] {
  const files = readdirSync(counters).map((name) => join(counters, name))
  if (files.length === 0) throw new Error('No process has loaded the addon that counts')
  const merged = `${addon}.profdata`
  program('llvm-profdata', ['merge', '-o', merged, ...files])
  const exported = JSON.parse(program('llvm-cov', ['export', '-instr-profile', merged, addon])) as Exported
  return exported.data
    .flatMap(({ files }) => files)
    .map(({ filename, segments }) => fileLines(filename, relative(project, filename), segments))
    .filter(({ file }) => file.startsWith('native/'))
}

/** From its line and column on, until the next one: how often it ran, and whether that is known, and not of a gap. */
type Segment = readonly [
  line: number,
  column: number,
  count: number,
  isCounted: boolean,
  isEntry: boolean,
  isGap: boolean,
]

interface Exported {
  readonly data: readonly {
    readonly files: readonly { readonly filename: string; readonly segments: readonly Segment[] }[]
  }[]
}

/** Not clang's own figures for lines: the first line after a block that may return counts for nothing in them. */
function fileLines(path: string, file: string, segments: readonly Segment[]): FileLines {
  const texts = readFileSync(path, 'utf8').split('\n')
  const reached = new Map<number, boolean>()
  let last: Segment | undefined
  let next = 0
  for (const [index, text] of texts.entries()) {
    const number = index + 1
    const begin = text.search(/\S/) + 1
    const here: Segment[] = []
    for (let segment = segments[next]; segment !== undefined && segment[0] === number; segment = segments[++next]) {
      if (segment[1] > begin) here.push(segment)
      else last = segment
    }
    const counted = [...(last === undefined ? [] : [last]), ...here].filter(
      ([, , , isCounted, , isGap]) => isCounted && !isGap,
    )
    if (doesSomething(text) && counted.length > 0)
      reached.set(
        number,
        counted.some(([, , count]) => count > 0),
      )
    last = here.at(-1) ?? last
  }
  return { file, texts, reached }
}

/** Clang counts every line of a block, brackets and comments among them. */
function doesSomething(text: string): boolean {
  return /\w/.test(text.replace(/\/\/.*/, '').replace(/^\s*(\}\s*)?else\s*\{?\s*$/, ''))
}

function program(name: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`${name}: ${stderr}`)
  return stdout
}
