// A transcript's bytes as lines: one JSON value each. A line that cannot be read does not stop the reader.
import { isUtf8 } from 'node:buffer'

import { whyNotJson } from './not-json.js'

export type TranscriptLine<T> =
  | { readonly kind: 'value'; readonly value: T; /** Of its first byte in the file. */ readonly offset: number }
  /** It is no JSON value: a fragment of a write that failed, or something that is not ours. Only `text` quotes it. */
  | { readonly kind: 'damaged'; readonly text: string; readonly offset: number; readonly error: Error }
  /** Another file is at the path now: what was read before may be in it, or not. Lines follow from its beginning. */
  | { readonly kind: 'reset'; readonly version: string }

const NEWLINE = 10

/** Takes bytes in pieces and gives whole lines. */
export class LineReader<T> {
  /** How many bytes it was given: the next ones are from there on. */
  read = 0
  /** Where the next line begins. */
  private offset = 0
  private pieces: Uint8Array[] = []

  /** A line without an end is read again from its beginning: its bytes may be cut off, and others come in their place. */
  forgetUnfinished(): void {
    this.pieces = []
    this.read = this.offset
  }

  *push(bytes: Uint8Array): Generator<TranscriptLine<T>> {
    this.read += bytes.length
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      const last = bytes.subarray(from, end)
      const line = this.pieces.length === 0 ? last : Buffer.concat([...this.pieces, last])
      this.pieces = []
      from = end + 1
      const { offset } = this
      this.offset += line.length + 1
      if (line.length > 0) yield parse(line, offset)
    }
    // A copy: the caller may use its memory again. (What a Buffer's slice() answers would be the same memory.)
    if (from < bytes.length) this.pieces.push(new Uint8Array(bytes.subarray(from)))
  }
}

function parse<T>(bytes: Uint8Array, offset: number): TranscriptLine<T> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  try {
    // Decoded, it has other characters in their place.
    if (!isUtf8(bytes)) return { kind: 'damaged', text, offset, error: unreadable('it is not UTF-8') }
    return { kind: 'value', value: JSON.parse(text) as T, offset }
  } catch (cause) {
    return { kind: 'damaged', text, offset, error: unreadable(whyNotJson(text, cause)) }
  }
}

function unreadable(why: string): SyntaxError {
  return new SyntaxError(`The line cannot be read: ${why}`)
}
