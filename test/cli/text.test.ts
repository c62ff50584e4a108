// Text and tables as a terminal shows them.
import { PassThrough } from 'node:stream'

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { table } from '../../src/cli/table.js'
import { painted, widthOf, type Terminal } from '../../src/cli/terminal.js'
import { cut, escaped, widthOfText } from '../../src/cli/text.js'
import { visible } from '../../src/errors.js'

function terminal(columns: number | undefined, colour = false): Terminal {
  const out = Object.assign(new PassThrough(), { isTTY: columns !== undefined, columns })
  return { out: out as unknown as NodeJS.WriteStream, err: out as unknown as NodeJS.WriteStream, colour }
}

describe('escaped text', () => {
  test('moves no cursor, hides nothing and forges no line', () => {
    expect(escaped('a\x1b[2Jb\rc\nd\te\x7f\x9b')).toBe('a\\x1b[2Jb\\rc\\nd\\te\\x7f\\x9b')
    expect(escaped('\u202egnp.exe\u200b\u2028\u{e0041}\ud800')).toBe('\\u202egnp.exe\\u200b\\u2028\\u{e0041}\\ud800')
  })

  test('is that of the messages of the library', () => {
    const texts = fc.string({
      unit: fc.constantFrom('a', '\n', '\t', '\0', '\x9b', '\u202e', '\u2028', '\ud800', '\u{e0041}'),
    })
    fc.assert(fc.property(texts, (text) => escaped(text) === visible(text)))
  })

  test('keeps what people write', () => {
    const text = 'Grüße, 東京 – naïve "quotes" \\ 👩 e\u0301'
    expect(escaped(text)).toBe(text)
  })
})

describe('the width of a text', () => {
  test.each([
    ['abc', 3],
    ['東京', 4],
    ['e\u0301', 1],
    ['👍', 2],
    ['', 0],
  ])('%j takes %i columns', (text, width) => expect(widthOfText(text)).toBe(width))

  test.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['東京', 3, '東…'],
    ['東京', 2, '…'],
    ['abc', 0, ''],
  ])('%j cut to %i columns is %j', (text, width, expected) => expect(cut(text, width)).toBe(expected))
})

describe('a table', () => {
  const columns = [
    { title: 'PID', right: true },
    { title: 'PATH', cut: true },
    { title: 'LABEL', cut: true },
  ]
  const rows = [
    ['7', '/a/long/path/to/a/file', 'short'],
    ['1234', '/b', { text: 'wait', style: 'red' as const }],
  ]

  test('is as wide as what is in it where nobody watches', () => {
    expect(table(terminal(undefined), columns, rows)).toEqual([
      ' PID  PATH                    LABEL',
      '   7  /a/long/path/to/a/file  short',
      '1234  /b                      wait',
    ])
  })

  test('gives way where it is too wide for the terminal, the widest column first', () => {
    expect(table(terminal(22), columns, rows)).toEqual([
      ' PID  PATH       LABEL',
      '   7  /a/long/…  short',
      '1234  /b         wait',
    ])
  })

  test('cuts no column below its title, and none that may not be cut', () => {
    expect(table(terminal(5), columns, rows)[1]).toBe('   7  /a/…  short')
  })

  test('is coloured where that is wanted, which takes no room', () => {
    const [titles, , last] = table(terminal(80, true), columns, rows)
    expect(titles).toContain('\x1b[1mPATH\x1b[0m')
    expect(last).toBe('1234  /b                      \x1b[31mwait\x1b[0m')
  })
})

test('a terminal of unknown size has 80 columns, and what is no terminal has no end', () => {
  expect([widthOf(terminal(0)), widthOf(terminal(50)), widthOf(terminal(undefined))]).toEqual([80, 50, Infinity])
})

test('nothing is painted without colour', () => {
  expect(painted(terminal(80), 'red', 'text')).toBe('text')
})
