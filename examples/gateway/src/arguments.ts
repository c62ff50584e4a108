// What the programs are told on their command lines, and how they refuse it: in one sentence, before they do anything.
import { parseArgs, type ParseArgsConfig } from 'node:util'

import { textOf } from './log.js'

/** What was expected instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The longest that a timer takes. */
export const LONGEST = 2 ** 31 - 1

/** As parseArgs() of Node. */
export function argumentsOf<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

export function folderIn(folder: string | undefined, also = ''): string {
  if (folder !== undefined && folder !== '') return folder
  throw new UsageError(`Expected --folder <folder>${also}`)
}

export function numberIn(text: string, option: string, { least, most }: { least: number; most: number }): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  throw new UsageError(`Expected ${option} with a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

export function urlIn(text: string, option: string): URL {
  if (/^https?:/.test(text) && URL.canParse(text)) return new URL(text)
  throw new UsageError(`Expected ${option} with an http URL, not ${JSON.stringify(text)}`)
}

/** Runs a program. What it refuses ends it with 2, and what it fails at with 1: there is no other end of a start that failed. */
export async function program(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof UsageError ? error.message : textOf(error))
    process.exit(error instanceof UsageError ? 2 : 1)
  }
}
