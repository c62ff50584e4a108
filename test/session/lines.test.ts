// Bytes in pieces become whole lines, whatever the pieces are.
import { describe, expect, test } from 'vitest'

import { LineReader, type TranscriptLine } from '../../src/session/lines.js'

/** What the lines say: values, and the text of those that are damaged. */
function said(lines: Iterable<TranscriptLine<unknown>>): unknown[] {
  return [...lines].map((line) => (line.kind === 'value' ? line.value : line.kind === 'damaged' ? line.text : line))
}

/** As a reader of files gives them: in one memory that is filled again for every piece. */
function readInPieces(bytes: Uint8Array, size: number): TranscriptLine<unknown>[] {
  const reader = new LineReader()
  const memory = Buffer.alloc(size)
  const lines: TranscriptLine<unknown>[] = []
  for (let at = 0; at < bytes.length; at += size) {
    const piece = memory.subarray(0, Math.min(size, bytes.length - at))
    piece.set(bytes.subarray(at, at + piece.length))
    lines.push(...reader.push(piece))
    memory.fill('x')
  }
  return lines
}

const TEXT = Buffer.from('{"a":1}\n"zwölf ☃ 😀"\n\n[1,2,3]\nno JSON\n{"last":"\u2028"}\n')

describe('a line reader', () => {
  test('gives the same lines, at the same offsets, wherever the pieces end, though their memory is used again', () => {
    const whole = readInPieces(TEXT, TEXT.length)
    expect(said(whole)).toEqual([{ a: 1 }, 'zwölf ☃ 😀', [1, 2, 3], 'no JSON', { last: '\u2028' }])
    for (let size = 1; size < TEXT.length; size++)
      expect(readInPieces(TEXT, size), `in pieces of ${size}`).toEqual(whole)
  })

  test('names the offset in bytes of every line, empty ones counted', () => {
    for (const line of readInPieces(TEXT, 7)) {
      if (line.kind === 'reset') throw new Error('there is no other file')
      const end = TEXT.indexOf('\n', line.offset)
      const text = TEXT.toString('utf8', line.offset, end)
      expect(line.kind === 'value' ? JSON.parse(text) : text).toEqual(line.kind === 'value' ? line.value : line.text)
    }
  })

  test('gives no line before its end is there, and nothing for one that never comes', () => {
    const reader = new LineReader()
    expect(said(reader.push(Buffer.from('{"a":')))).toEqual([])
    expect(said(reader.push(Buffer.from('1}')))).toEqual([])
    expect(said(reader.push(Buffer.from('\n{"b"')))).toEqual([{ a: 1 }])
  })

  test('forgets an unfinished line, and reads on from where it began', () => {
    const reader = new LineReader()
    expect(said(reader.push(Buffer.from('1\n{"torn":')))).toEqual([1])
    expect(reader.read).toBe(10)
    reader.forgetUnfinished()
    expect(reader.read).toBe(2)
    expect([...reader.push(Buffer.from('{"whole":true}\n'))]).toEqual([
      { kind: 'value', value: { whole: true }, offset: 2 },
    ])
  })

  test('reports a line that is no JSON value with its text and the reason, and goes on after it', () => {
    const [first, damaged, nuls, last] = readInPieces(Buffer.from('1\n{"half":\n\0\0\0\n3\n'), 4)
    expect(first).toMatchObject({ kind: 'value', value: 1 })
    expect(damaged).toMatchObject({ kind: 'damaged', text: '{"half":', offset: 2 })
    expect(damaged?.kind === 'damaged' && damaged.error).toBeInstanceOf(SyntaxError)
    expect(nuls).toMatchObject({ kind: 'damaged', text: '\0\0\0' })
    expect(last).toMatchObject({ kind: 'value', value: 3 })
  })

  test('shows nothing of a damaged line in its error', () => {
    const hostile = ['\x1b[31mred', '{"password":"secret"', '"at position 7', '[1,\x07]', '\x9b2J']
    for (const line of readInPieces(Buffer.from(hostile.join('\n') + '\n', 'latin1'), 1000)) {
      expect(line.kind === 'damaged' && line.error.message).toMatch(
        /^The line cannot be read: it is not (JSON( \(position \d+\))?|UTF-8)$/,
      )
    }
  })

  test('reports a line whose bytes are no UTF-8: a value made of it would have other characters than were written', () => {
    const bytes = Buffer.concat([Buffer.from('"caf'), Buffer.of(0xe9), Buffer.from('"\n"café"\n')])
    const [damaged, whole] = readInPieces(bytes, 3)
    expect(damaged).toMatchObject({ kind: 'damaged', offset: 0, text: '"caf\ufffd"' })
    expect(whole).toMatchObject({ kind: 'value', value: 'café', offset: 7 })
  })

  test('takes lines of writers that end them with a carriage return too', () => {
    expect(said(readInPieces(Buffer.from('{"a":1}\r\n2\r\n'), 5))).toEqual([{ a: 1 }, 2])
  })
})
