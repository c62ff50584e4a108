// Drives test/fixtures/sections.mjs: processes that take locks in a loop, and the check that they excluded each other.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

export interface Sections {
  /** Start and end in nanoseconds, of the sections whose hold was good to their end. */
  sections: [bigint, bigint][]
  lost: number
}

/** Started and killed with the test; answers when the program says that it is ready. */
export async function startFixture(name: string, ...args: string[]): Promise<ChildProcess> {
  const program = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
  const child = fork(program, args, { serialization: 'advanced' })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

/** One process for each set of paths, all let go at the same time. */
export async function runSections(rounds: number, ...sets: string[][]): Promise<Sections[]> {
  const children = await Promise.all(
    sets.map((paths) => startFixture('sections.mjs', JSON.stringify({ paths, rounds }))),
  )
  return Promise.all(
    children.map((child) => {
      const report = new Promise<Sections>((resolve, reject) => {
        child.once('message', (message) => resolve(message as Sections))
        child.once('exit', (code, signal) => reject(new Error(`a process ended without a report (${code ?? signal})`)))
      })
      child.send('go')
      return report
    }),
  )
}

/** How often a section began before an earlier one, of another process, had ended. */
export function overlaps(reports: readonly Sections[]): number {
  const all = reports
    .flatMap(({ sections }, process) => sections.map(([start, end]) => ({ start, end, process })))
    .sort((a, b) => (a.start < b.start ? -1 : 1))
  return all.filter(({ start, process }, index) => {
    const before = all[index - 1]
    return before !== undefined && before.process !== process && start < before.end
  }).length
}
