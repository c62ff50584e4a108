// Transcripts of this process, and what can be seen of them from outside.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { onTestFinished } from 'vitest'

import type { HoldEvent } from '../../src/index.js'
import {
  openTranscript,
  type Snapshot,
  type Transcript,
  type TranscriptEvent,
  type TranscriptLine,
  type TranscriptOptions,
} from '../../src/session.js'
import { file } from './target.js'

/** Closed after the test. */
export async function opened(path: string, options?: TranscriptOptions): Promise<Transcript> {
  const transcript = await openTranscript(path, options)
  onTestFinished(() => transcript.close())
  return transcript
}

/** One of a file that is not there yet. */
export function fresh(options?: TranscriptOptions): Promise<Transcript> {
  return opened(file(), options)
}

/** Every line of a file as JSON; throws where one is none, or the last one has no end. */
export function valuesIn(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  if (lines.pop() !== '') throw new Error(`the last line of ${path} has no end`)
  return lines.map((line): unknown => JSON.parse(line))
}

/** What a loop over it gives, to its end. */
export async function linesOf(snapshot: Snapshot<unknown>): Promise<TranscriptLine<unknown>[]> {
  const lines: TranscriptLine<unknown>[] = []
  for await (const line of snapshot) lines.push(line)
  return lines
}

/** The values among them; anything else says what it is. */
export function valuesOf(lines: readonly TranscriptLine<unknown>[]): unknown[] {
  return lines.map((line) => (line.kind === 'value' ? line.value : `${line.kind}!`))
}

/** What was saved beside a file, in order. */
export function asides(path: string): string[] {
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.torn-`))
  return names.sort().map((name) => readFileSync(join(dirname(path), name), 'latin1'))
}

/** Every name in the file's folder but its own and its lock's. */
export function strangersBeside(path: string): string[] {
  const own = [basename(path), `${basename(path)}.hold`]
  return readdirSync(dirname(path)).filter((name) => !own.includes(name))
}

function eventsOf<Event>(name: string): Event[] {
  const events: Event[] = []
  const listener = (event: unknown): void => void events.push(event as Event)
  subscribe(name, listener)
  onTestFinished(() => {
    unsubscribe(name, listener)
  })
  return events
}

/** The events of all transcripts of this process, from now on. */
export function transcriptEvents(): TranscriptEvent[] {
  return eventsOf('holdfast:transcript')
}

/** One for every time this process takes a lock, from now on. */
export function holdEvents(): HoldEvent[] {
  return eventsOf('holdfast:hold')
}
