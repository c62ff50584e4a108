// What of src/ was reached, from what V8 noted in every process and thread.
//
// V8 tells of each function its ranges and how often each ran; a range inside another one counts for what is in it. A line
// was reached if something on it ran in any process.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import ts from 'typescript'

import type { FileLines } from './lines.js'

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

interface Notes {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly { readonly ranges: readonly Range[] }[]
  }[]
}

/** Of a file of src/, wherever a copy of it lies; the example has a dist/ of its own. */
const SOURCE = /^file:(?!.*\/examples\/).*\/(?:src|dist)\/(.*)\.js(?:\?.*)?$/

export function typescriptLines(twins: ReadonlyMap<string, string>, notes: string): FileLines[] {
  const ran = new Map([...twins].map(([file, text]) => [file, new Uint8Array(text.length)]))
  for (const name of readdirSync(notes)) {
    for (const { url, functions } of read(join(notes, name)).result) {
      const bytes = ran.get(`src/${SOURCE.exec(url)?.[1] ?? ''}.ts`)
      if (bytes !== undefined) mark(bytes, functions)
    }
  }
  return [...twins].map(([file, text]) => fileLines(file, text, ran.get(file) ?? new Uint8Array()))
}

/** A process that was killed while it wrote has written nothing that can be read. */
function read(path: string): Notes {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Notes
  } catch {
    return { result: [] }
  }
}

function mark(bytes: Uint8Array, functions: Notes['result'][number]['functions']): void {
  const ranges = functions.flatMap((one) => one.ranges)
  // Outer ones first: what is inside counts.
  ranges.sort((one, other) => one.startOffset - other.startOffset || other.endOffset - one.endOffset)
  const [whole] = ranges
  // Where the file as a whole has run since notes were taken last, it comes first. Of another length: a bundle, say.
  if (whole?.startOffset === 0 && whole.endOffset !== bytes.length) return
  const ran = new Uint8Array(bytes.length)
  for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  for (const [at, did] of ran.entries()) if (did === 1) bytes[at] = 1
}

function fileLines(file: string, twin: string, ran: Uint8Array): FileLines {
  const source = ts.createSourceFile(file, twin, ts.ScriptTarget.ES2022)
  const reached = new Map<number, boolean>()
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return
    const parts = node.getChildren(source)
    parts.forEach(visit)
    const text = parts.length === 0 ? node.getText(source) : ''
    if (!/[\w"'`]/.test(text)) return // brackets and signs do nothing by themselves
    const start = node.getStart(source)
    const number = source.getLineAndCharacterOfPosition(start).line + 1
    reached.set(number, reached.get(number) === true || ran[start] === 1)
  }
  visit(source)
  return { file, texts: twin.split('\n'), reached }
}
