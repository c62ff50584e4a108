// A case that starts other processes. It has a folder of its own, and what it started ends with it.
import { mkdirSync } from 'node:fs'

export interface ProcessCase {
  readonly title: string
  readonly run: (folder: string) => Promise<void>
}

const endings: (() => Promise<void>)[] = []

/** Asks for `end` when the running case has ended, however it ended. */
export function atEnd(end: () => Promise<void>): void {
  endings.push(end)
}

export async function runIn(folder: string, { run }: ProcessCase): Promise<void> {
  mkdirSync(folder)
  try {
    await run(folder)
  } finally {
    await Promise.all(endings.splice(0).map((end) => end()))
  }
}
