// What may be a line, and what each line is.
import { existsSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { fresh, linesOf, valuesIn, valuesOf } from '../helpers/transcript.js'

function cycle(): object {
  const one: { other?: object } = {}
  one.other = { one }
  return one
}

/** Deeper than any stack. */
function deep(): unknown[] {
  let value: unknown[] = []
  for (let depth = 0; depth < 200_000; depth++) value = [value]
  return value
}

const thrown = new Error('not today')
const UNCARRIED: [what: string, value: unknown, why: RegExp][] = [
  ['undefined', undefined, /nothing for undefined/],
  ['a function', () => 1, /nothing for a function/],
  ['a symbol', Symbol('s'), /nothing for a symbol/],
  ['a BigInt', 1n, /BigInt/],
  ['a BigInt deep inside', { a: [{ b: 1n }] }, /BigInt/],
  ['a cycle', cycle(), /circular/],
  ['something too deep', deep(), /stack/],
  [
    'a throwing toJSON()',
    {
      toJSON: () => {
        throw thrown
      },
    },
    /not today/,
  ],
  ['a toJSON() that returns undefined', { toJSON: () => undefined }, /what its toJSON\(\) returned/],
]

test.for(UNCARRIED)(
  '%s is refused before anything is queued, and its neighbours are written',
  async ([, value, why]) => {
    const transcript = await fresh()
    const before = transcript.append({ n: 1 })
    const pending = transcript.pending
    const refused = transcript.append(value)
    expect(transcript.pending).toEqual(pending)
    const after = transcript.append({ n: 2 })

    await expect(refused).rejects.toMatchObject({
      name: 'SessionError',
      code: 'ERR_SESSION_VALUE',
      path: transcript.path,
    })
    await expect(refused).rejects.toThrow(why)
    await Promise.all([before, after])
    expect(valuesIn(transcript.path)).toEqual([{ n: 1 }, { n: 2 }])
  },
)

test('the error of a toJSON() is the cause of the refusal, whatever it threw', async () => {
  const transcript = await fresh()
  const throwing = (error: unknown) => ({
    toJSON: () => {
      throw error
    },
  })
  await expect(transcript.append(throwing(thrown))).rejects.toMatchObject({ cause: thrown })
  await expect(transcript.append(throwing('a text'))).rejects.toMatchObject({
    code: 'ERR_SESSION_VALUE',
    cause: 'a text',
  })
})

test.for(UNCARRIED)('appendAll() writes nothing at all where one value is %s', async ([, value]) => {
  const transcript = await fresh()
  await expect(transcript.appendAll([1, 2, value, 4])).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE' })
  await expect(transcript.appendAll([1, 2, value, 4])).rejects.toThrow(/^values\[2\] must be/)
  expect(transcript.pending).toEqual({ lines: 0, bytes: 0 })
  expect(existsSync(transcript.path)).toBe(false)
})

test('a hole in an array is no value', async () => {
  const transcript = await fresh()
  const holes: unknown[] = [1]
  holes[2] = 3
  await expect(transcript.appendAll(holes)).rejects.toThrow(/^values\[1\] must be/)
})

test('appendAll() of nothing answers with the version and makes no file', async () => {
  const transcript = await fresh()
  expect(await transcript.appendAll([])).toBe('none')
  expect(existsSync(transcript.path)).toBe(false)
  const version = await transcript.append(1)
  expect(await transcript.appendAll([])).toBe(version)
})

test('appendAll() refuses what is no array, and reads no iterable', async () => {
  const transcript = await fresh()
  const set = new Set([1]) as unknown as unknown[]
  await expect(transcript.appendAll(set)).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
})

test('a value of exactly the line limit is written, one of a byte more is refused with both numbers', async () => {
  const transcript = await fresh({ lineBytes: 20 })
  // Two of its bytes are quotes; each umlaut has two.
  await transcript.append('ü'.repeat(9))
  await expect(transcript.append(`${'ü'.repeat(9)}.`)).rejects.toThrow(/at most 20 bytes as JSON; it has 21/)
  await expect(transcript.appendAll(['a', 'x'.repeat(19)])).rejects.toThrow(/^values\[1\] must have at most 20 bytes/)
  expect(valuesIn(transcript.path)).toEqual(['ü'.repeat(9)])
})

test('whatever characters a value has, it is one line, and is read as it was written', async () => {
  const transcript = await fresh()
  const values = [
    'two\nlines',
    'carriage\r\nreturn',
    'separators \u2028 and \u2029',
    'lone \ud800 and \udfff surrogates',
    'zwölf ☃ 😀 \u0000 \u001b[31m \ufeff',
    { 'key\nwith a newline': { nested: ['\n', '\n\n'] } },
    '',
    null,
    0,
    false,
    [],
    { toJSON: () => 'another one' },
    new Date(0),
    Number.NaN,
  ]
  await transcript.appendAll(values)
  const expected: unknown = JSON.parse(JSON.stringify(values))
  expect(readFileSync(transcript.path, 'utf8').split('\n')).toHaveLength(values.length + 1)
  expect(valuesIn(transcript.path)).toEqual(expected)
  expect(valuesOf(await linesOf(transcript.read()))).toEqual(expected)
})

test('what a value says when it is appended is written, whatever becomes of it afterwards', async () => {
  const transcript = await fresh()
  const value = { state: 'then' }
  const list = [1, 2]
  const appended = [transcript.append(value), transcript.appendAll(list)]
  value.state = 'later'
  list.push(3)
  await Promise.all(appended)
  expect(valuesIn(transcript.path)).toEqual([{ state: 'then' }, 1, 2])
})

test('a line of many megabytes is written and read whole, beside short ones', async () => {
  const transcript = await fresh()
  const long = { text: 'abcdefgh☃'.repeat(400_000) }
  await Promise.all([transcript.append(1), transcript.append(long), transcript.append(3)])
  expect(valuesOf(await linesOf(transcript.read()))).toEqual([1, long, 3])
})
