// What stands in a transcript, by its bytes: with plain file functions, without a lock, and with nothing of the
// program's but the shape of a line.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { isLine, reportOf, type Line } from '../lines.js'

/** Summaries are resolved: what a compaction took out counts as there, in the place of its summary. */
export interface Standing {
  readonly lines: readonly Line[]
  /** As often as they are there. */
  readonly keys: readonly string[]
  readonly messages: readonly string[]
  readonly answers: readonly StandingAnswer[]
  /** By reportOf(). */
  readonly reports: readonly string[]
  /** Messages whose answer stands before them. */
  readonly early: readonly string[]
  /** Lines that are none of ours, or not whole: their numbers, and how they begin. */
  readonly damaged: readonly string[]
  /** Names of files that hold half lines, moved out of this one. */
  readonly torn: readonly string[]
}

export interface StandingAnswer {
  readonly to: string
  /** Null if only a summary tells of it. */
  readonly line: Extract<Line, { type: 'answer' }> | null
}

const NEWLINE = 10
const SHOWN = 40

export function readStanding(folder: string, session: string): Standing {
  const names = readdirSync(folder)
  const name = `${session}.jsonl`
  const torn = names.filter((other) => other.startsWith(`${name}.torn-`))
  const { lines, damaged } = parse(names.includes(name) ? readFileSync(join(folder, name)) : Buffer.alloc(0))
  return { lines, damaged, torn, ...resolve(lines) }
}

function resolve(lines: readonly Line[]): Pick<Standing, 'keys' | 'messages' | 'answers' | 'reports' | 'early'> {
  const keys: string[] = []
  const messages = new Set<string>()
  const answers: StandingAnswer[] = []
  const reports: string[] = []
  const before = new Set<string>()
  for (const line of lines) {
    keys.push(line.key)
    if (line.type === 'message') messages.add(line.key)
    if (line.type === 'answer') {
      answers.push({ to: line.to, line })
      if (!messages.has(line.to)) before.add(line.to)
    }
    if (line.type === 'report') reports.push(reportOf(line.to, line.agent))
    if (line.type === 'summary') {
      keys.push(...line.keys)
      for (const key of line.messages) messages.add(key)
      answers.push(...line.answers.map((to) => ({ to, line: null })))
      reports.push(...line.reports)
    }
  }
  const early = [...before].filter((key) => messages.has(key))
  return { keys, messages: [...messages], answers, reports, early }
}

function parse(bytes: Buffer): { lines: Line[]; damaged: string[] } {
  const lines: Line[] = []
  const damaged: string[] = []
  for (let begin = 0, number = 1; begin < bytes.length; number++) {
    const newline = bytes.indexOf(NEWLINE, begin)
    const end = newline < 0 ? bytes.length : newline
    const line = newline < 0 ? null : lineOf(bytes.subarray(begin, end))
    if (line !== null) lines.push(line)
    else damaged.push(`line ${number}: ${JSON.stringify(bytes.toString('utf8', begin, Math.min(end, begin + SHOWN)))}`)
    begin = end + 1
  }
  return { lines, damaged }
}

function lineOf(bytes: Uint8Array): Line | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    return isLine(value) ? value : null
  } catch {
    return null
  }
}
