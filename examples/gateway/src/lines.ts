// What stands in a transcript: one JSON value on each line, and every line has a key of its own, so that anybody who reads
// the file can tell whether one is missing or there twice.

interface Written {
  /** Of this line, among all lines of all sessions. */
  readonly key: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The process and lane that wrote it. */
  readonly by: string
}

/** Somebody said something, and is to be answered. Its key is the sender's: one that is sent again is not a new one. */
export interface Message extends Written {
  readonly type: 'message'
  readonly text: string
}

/** What was answered to the message with the key `to`; there is one for each. */
export interface Answer extends Written {
  readonly type: 'answer'
  readonly to: string
  readonly text: string
  /** No answer could be had; `text` says why. */
  readonly failed?: true
  /** So many sub-agents are to work for it, numbered from 0. */
  readonly agents: number
}

/** A sub-agent is done; there is one for each sub-agent of an answer. */
export interface Report extends Written {
  readonly type: 'report'
  readonly to: string
  readonly agent: number
  readonly text: string
  /** It could not be done; `text` says why. */
  readonly failed?: true
}

/** What a run says on its way. One that is cut off leaves its notes, and the run that follows it says its own. */
export interface Note extends Written {
  readonly type: 'note'
  readonly to: string
  readonly text: string
}

/** A run begins where another one was cut off. */
export interface Resumed extends Written {
  readonly type: 'resumed'
  readonly to: string
  /** Whose run it was. */
  readonly from: string
}

/** Stands for lines that a compaction took out: it names all of them. */
export interface Summary extends Written {
  readonly type: 'summary'
  readonly text: string
  readonly keys: readonly string[]
  readonly messages: readonly string[]
  /** Messages that were answered, in the order of their answers. */
  readonly answers: readonly string[]
  /** As reportOf() names them. */
  readonly reports: readonly string[]
}

export type Line = Message | Answer | Report | Note | Resumed | Summary

export function reportOf(to: string, agent: number): string {
  return `${to}/${agent}`
}

let written = 0
const THIS_PROCESS = `${process.pid}-${Date.now().toString(36)}`

/** What every line begins with; `by` is its lane. */
export function stamp(by: string): Written {
  return { key: `${THIS_PROCESS}-${++written}`, at: Date.now(), by: `${process.pid} ${by}` }
}

/** More sub-agents than any answer asks for. */
const MOST_AGENTS = 16

/** Anybody may have written in a transcript: what is no line is passed over. */
export function isLine(value: unknown): value is Line {
  if (typeof value !== 'object' || value === null) return false
  const { type, key, at, by, text, to, from, agent, agents, failed, ...lists }: Record<string, unknown> = { ...value }
  if (!areTexts([key, by]) || typeof at !== 'number' || (failed !== undefined && failed !== true)) return false
  switch (type) {
    case 'message':
      return areTexts([text])
    case 'answer':
      return areTexts([to, text]) && isCount(agents)
    case 'report':
      return areTexts([to, text]) && isCount(agent)
    case 'note':
      return areTexts([to, text])
    case 'resumed':
      return areTexts([to, from])
    case 'summary':
      return areTexts([text]) && [lists['keys'], lists['messages'], lists['answers'], lists['reports']].every(areTexts)
    default:
      return false
  }
}

function areTexts(values: unknown): boolean {
  return Array.isArray(values) && values.every((value) => typeof value === 'string')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MOST_AGENTS
}
