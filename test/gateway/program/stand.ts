// What stands in a gateway's files, by plain file functions.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

import type { Store } from '../../../examples/gateway/src/files.js'
import type { Answer, Line, Message } from '../../../examples/gateway/src/lines.js'
import { storeOf, transcriptOf } from '../../../examples/gateway/src/places.js'
import { until } from '../../helpers/until.js'

/** Throws if one of the lines is not whole. */
export function linesOf(folder: string, session: string): Line[] {
  const path = transcriptOf(folder, session)
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error(`the last line of ${session} is not whole`)
  return lines.map((line) => JSON.parse(line) as Line)
}

export function ofType<T extends Line['type']>(lines: readonly Line[], type: T): Extract<Line, { type: T }>[] {
  return lines.filter((line): line is Extract<Line, { type: T }> => line.type === type)
}

export function messagesOf(folder: string, session: string): string[] {
  return ofType(linesOf(folder, session), 'message').map(({ key }) => key)
}

/** What was answered, in the order of the answers. */
export function answersOf(folder: string, session: string): string[] {
  return ofType(linesOf(folder, session), 'answer').map(({ to }) => to)
}

export async function answered(folder: string, session: string, ...keys: string[]): Promise<void> {
  await until(`${session}: answers to ${keys.join()}`, () => {
    const there = answersOf(folder, session)
    return keys.every((key) => there.includes(key))
  })
}

export function storeIn(folder: string): Store {
  if (!existsSync(storeOf(folder))) return { sessions: {}, writers: {} }
  return JSON.parse(readFileSync(storeOf(folder), 'utf8')) as Store
}

export function message(key: string, text = `says ${key}`): Message {
  return { type: 'message', key, text, at: 1, by: 'somebody' }
}

export function answer(to: string, agents = 0): Answer {
  return { type: 'answer', key: `answer-${to}`, to, text: 'yes', agents, at: 2, by: 'somebody' }
}

/** As if they had been written before. */
export function write(folder: string, session: string, lines: readonly Line[]): void {
  writeFileSync(transcriptOf(folder, session), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
