// The record's layout is a contract between versions that share a lock file: it is pinned here byte for byte. What is
// read from one is somebody else's text: nothing in it may harm.
import { hostname } from 'node:os'

import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'

import { FenceBlock } from '../src/coordination/fences.js'
import { composeRecord, ending, lastHold, page, recordAgain, RECORD_PREFIX, revokedRecord } from '../src/record-page.js'
import { parseRecord, printable, RECORD_SIZE, thisThread, type LockRecord } from '../src/record.js'
import { signed } from './helpers/signed.js'

const SLOT = { start: 16, end: 64 }
const FENCE = { start: 72, end: 88 }
const SINCE = { start: 97, end: 113 }

const text = (label: string | undefined, since = 1, fence = 1) =>
  composeRecord(signed(label), since, fence).toString('latin1')

/** As the lock file holds it, with this ending. */
const ended = (reason: string | null, fence = 1) => {
  const record = text('label', 1, fence)
  return ending(reason).toString('latin1') + record.slice(SLOT.end)
}

/** Puts content on the page as a read of the lock file does, and answers what the next holder makes of it. */
const read = (content: string | Buffer) => {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  const length = bytes.copy(page)
  return lastHold(length)
}

// What another file left on the page must not count.
beforeEach(() => void Buffer.from(ended(null, 4711), 'latin1').copy(page))

describe('the layout', () => {
  test('is pinned', () => {
    const record = text('main', 1795234363754, 1795234363754016)
    expect(record.slice(0, 113)).toBe(
      'holdfast {"v":1,' +
        '"state":"held",                                 ' +
        '"fence":1795234363754016,' +
        '"since":   1795234363754',
    )
    const fields = Object.keys(JSON.parse(record.slice('holdfast '.length)) as object)
    expect(fields).toEqual(['v', 'state', 'fence', 'since', 'pid', 'tid', 'host', 'boot', 'pidns', 'owner', 'label'])
    expect(record).toMatch(/"label":"main"} *\n$/)
  })

  test('has its parts where other versions look for them', () => {
    const record = text('main', 1234, 5678)
    expect(RECORD_PREFIX).toBe('holdfast {"v":1,')
    expect(RECORD_PREFIX).toHaveLength(SLOT.start)
    expect(record.slice(SLOT.start, SLOT.end).trimEnd()).toBe('"state":"held",')
    expect(record.slice(SLOT.end, FENCE.start)).toBe('"fence":')
    expect(record.slice(FENCE.start, FENCE.end)).toBe('5678'.padStart(16))
    expect(record.slice(FENCE.end, SINCE.start)).toBe(',"since":')
    expect(record.slice(SINCE.start, SINCE.end)).toBe('1234'.padStart(16))
    expect(record[SINCE.end]).toBe(',')
  })

  test.each<[string, string | undefined]>([
    ['no label', undefined],
    ['an empty label', ''],
    ['a label', 'main'],
    ['a long label', 'x'.repeat(10_000)],
    ['quotes and backslashes', '"\\'.repeat(200)],
    ['control characters', '\0\x07\x1b[31m\r\n\t\x7f'.repeat(30)],
    ['letters beyond ASCII', 'Grüße, 世界 '.repeat(40)],
    ['characters of two code units', '😀'.repeat(500)],
    ['halves of such characters', '\ud83d'.repeat(100) + '\ude00'.repeat(100)],
    ['characters that end lines', '\u2028\u2029\u0085'],
  ])('is 512 bytes of one ASCII line, with %s', (_, label) => {
    const bytes = composeRecord(signed(label), Date.now(), Number.MAX_SAFE_INTEGER)
    expect(bytes).toHaveLength(512)
    expect(RECORD_SIZE).toBe(512)
    expect(bytes.subarray(0, 511).every((byte) => byte >= 0x20 && byte <= 0x7e)).toBe(true)
    expect(bytes[511]).toBe(0x0a)
    const parsed = parseRecord(bytes.toString('latin1'))
    expect(parsed).toMatchObject({ state: 'held', pid: process.pid, fence: Number.MAX_SAFE_INTEGER })
    if (label === undefined) expect(parsed?.label).toBeNull()
    else expect(label.startsWith(parsed?.label ?? 'nothing')).toBe(true)
  })

  test('keeps every label that is short, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (label) => {
        expect(parseRecord(text(label))?.label).toBe(label)
      }),
    )
  })

  test('keeps at least the start of a long label', () => {
    expect(parseRecord(text('x'.repeat(10_000)))?.label?.length).toBeGreaterThanOrEqual(64)
    expect(parseRecord(text('€'.repeat(10_000)))?.label?.length).toBeGreaterThanOrEqual(8)
  })

  test('has the label of this hold, not that of the one before', () => {
    for (const label of ['a', 'b', undefined, 'a', 'a', '']) {
      expect(parseRecord(text(label))?.label).toBe(label ?? null)
    }
  })

  test('tells who holds it', () => {
    const hold = { owner: 'lane:main', label: 'append', maxHold: 60_000 }
    expect(parseRecord(composeRecord(hold, 1_700_000_000_000, 7).toString('latin1'))).toEqual({
      ...thisThread(),
      ...hold,
      state: 'held',
      reason: null,
      boot: expect.toSatisfy((boot) => boot === null || typeof boot === 'string') as unknown,
      pidns: expect.toSatisfy((pidns) => pidns === null || /^\d+$/.test(String(pidns))) as unknown,
      since: new Date(1_700_000_000_000),
      fence: 7,
    })
    expect(thisThread()).toEqual({ pid: process.pid, tid: 0, host: hostname() })
  })

  test('keeps room for a label behind the longest owner and bound', () => {
    const hold = { owner: 'o'.repeat(1000), label: 'l'.repeat(1000), maxHold: Number.MAX_VALUE }
    const record = parseRecord(composeRecord(hold, 1, 1).toString('latin1'))
    expect(record?.maxHold).toBe(Number.MAX_VALUE)
    expect(hold.owner.startsWith(record?.owner ?? 'nothing')).toBe(true)
    expect(record?.label?.length).toBeGreaterThan(16)
  })
})

describe('the stamp of an ending', () => {
  const REASONS = ['released', 'released-all', 'replaced', 'max-hold', 'owner-closed', 'collected', 'connection']

  test.each([null, ...REASONS])('fills the slot exactly: %s', (reason) => {
    const text = ending(reason).toString('latin1')
    expect(text).toHaveLength(SLOT.end)
    expect(text.slice(0, SLOT.start)).toBe(RECORD_PREFIX)
    expect(text.slice(SLOT.start)).toMatch(/^"state":"(free|revoked)",.* $/)
  })

  test('of a release says free, and that of any other ending why', () => {
    expect(parseRecord(ended(null))).toMatchObject({ state: 'free', reason: null, fence: 1 })
    for (const reason of REASONS)
      expect(parseRecord(ended(reason))).toMatchObject({ state: 'revoked', reason, fence: 1 })
  })
})

describe('numbers', () => {
  const NUMBERS = [0, 1, 9, 10, 10 ** 8 - 1, 10 ** 8, 10 ** 8 + 1, 2 ** 31, 2 ** 32, 10 ** 15, Number.MAX_SAFE_INTEGER]

  test.each(NUMBERS)('%d is read as it was written', (number) => {
    expect(parseRecord(text('label', 1, number))?.fence).toBe(number)
    expect(read(ended(null, number)).fence).toBe(number)
    expect(read(ended('replaced', number)).fence).toBe(number)
  })

  test('all fences are read as they were written, parsed or not', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (fence) => {
        expect(parseRecord(text('label', 1, fence))?.fence).toBe(fence)
        expect(read(ended(null, fence)).fence).toBe(fence)
      }),
    )
  })

  test('all times are read as they were written', () => {
    fc.assert(
      fc.property(fc.nat({ max: 8.64e15 }), (since) => {
        expect(parseRecord(text('label', since))?.since.getTime()).toBe(since)
      }),
      { examples: [[0], [8.64e15]] },
    )
  })

  test('a short one leaves nothing of a long one before it', () => {
    composeRecord(signed('label'), Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    expect(parseRecord(text('label', 5, 7))).toMatchObject({ since: new Date(5), fence: 7 })
  })
})

describe('the record of a hold that was revoked', () => {
  test('says so, and whose it was', () => {
    expect(revokedRecord(signed('main'), 1_700_000_000_000, 7, 'replaced')).toMatchObject({
      ...thisThread(),
      label: 'main',
      state: 'revoked',
      reason: 'replaced',
      since: new Date(1_700_000_000_000),
      fence: 7,
    })
  })

  test('has no fence where the hold had none', () => {
    expect(revokedRecord(signed(undefined), 1, null, 'released-all')).toMatchObject({ state: 'revoked', fence: null })
  })
})

describe('the record of an earlier hold, written again', () => {
  const found: LockRecord = {
    state: 'held',
    reason: null,
    pid: 4711,
    tid: 3,
    host: 'other',
    boot: '9dfbd2bb-7ad9-4c9d-8d5c-6a2d3ad0e3ff',
    pidns: '4026531836',
    owner: 'lane',
    label: 'main',
    since: new Date(1_700_000_000_000),
    maxHold: 5000,
    fence: 7,
  }

  test('tells the same, with a fence that is in use by now', () => {
    expect(read(recordAgain(found, 40))).toEqual({
      obstacle: null,
      unfinished: { ...found, fence: 40 },
      fence: 40,
    })
  })

  test('tells how that hold was revoked, and nothing where that is not known', () => {
    const revoked = { ...found, state: 'revoked', reason: 'max-hold' } as const
    expect(read(recordAgain(revoked, 40)).unfinished).toEqual({ ...revoked, fence: 40 })
    expect(read(recordAgain({ ...revoked, reason: null }, 40)).unfinished).toMatchObject({ reason: null })
  })

  test('keeps the layout, whatever texts and numbers the file had', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 600 })
    const numbers = fc.double({ noDefaultInfinity: true, noNaN: true })
    const records = fc.record<LockRecord>({
      state: fc.constantFrom('held', 'revoked'),
      reason: fc.option(texts),
      pid: numbers,
      tid: numbers,
      host: texts,
      boot: fc.option(texts),
      pidns: fc.option(texts),
      owner: fc.option(texts),
      label: fc.option(texts),
      since: fc.date({ noInvalidDate: true }),
      maxHold: fc.option(numbers),
      fence: fc.option(numbers),
    })
    fc.assert(
      fc.property(records, (record) => {
        const again = recordAgain(record, 40)
        expect(again).toHaveLength(RECORD_SIZE)
        const known = { state: record.state, pid: record.pid + 0, fence: 40 }
        expect(parseRecord(again.toString('latin1'))).toMatchObject(known)
      }),
    )
  })
})

describe('what the next holder reads', () => {
  test('an empty file can carry a record', () => {
    expect(read('')).toEqual({ obstacle: null, unfinished: null, fence: null })
  })

  test('after a release there is nothing to recover', () => {
    expect(read(ended(null, 7))).toEqual({ obstacle: null, unfinished: null, fence: 7 })
  })

  test('after a death or a revocation there is', () => {
    expect(read(text('label', 1, 7))).toMatchObject({ obstacle: null, unfinished: { state: 'held' }, fence: 7 })
    expect(read(ended('replaced', 7))).toMatchObject({
      obstacle: null,
      unfinished: { state: 'revoked', reason: 'replaced' },
      fence: 7,
    })
  })

  test('a release of a later version is read too', () => {
    const later = ended(null, 7).replace('{"v":1,', '{"v":2,')
    expect(read(later)).toEqual({ obstacle: null, unfinished: null, fence: 7 })
  })

  test.each(['x', ' ', '\0', 'holdfast ', 'holdfast {"v"', 'holdfast was here', ` ${ended(null)}`, '\0'.repeat(512)])(
    'what begins like %j is the data of somebody',
    (content) => {
      expect(read(content)).toEqual({
        obstacle: 'the lock file has content of somebody else',
        unfinished: null,
        fence: null,
      })
    },
  )

  test('digits that are none are no fence', () => {
    const record = ended(null)
    for (const digits of ['            -1', '1e15            ', '0x0000000000ffff', 'x'.repeat(16)]) {
      const content = record.slice(0, FENCE.start) + digits.padStart(16) + record.slice(FENCE.end)
      expect(read(content)).toEqual({ obstacle: null, unfinished: null, fence: null })
    }
  })

  test('digits with a gap are no fence', () => {
    const record = ended(null)
    const content = record.slice(0, FENCE.start) + '       1       1' + record.slice(FENCE.end)
    expect(read(content).fence).toBeNull()
  })

  test('no content at all makes it throw, or claims a death that is none', () => {
    const pieces = fc.constantFrom(
      'holdfast ',
      '{"v":1,',
      RECORD_PREFIX,
      '"state":"held",',
      '"pid":1,',
      '"since":',
      '1',
      '}',
      '\0',
      '\x1b',
      ' ',
    )
    const content = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 600 }),
      fc.array(pieces).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(content, (content) => {
        const { obstacle, unfinished, fence } = read(content)
        expect(obstacle === null).toBe(content === '' || content.startsWith('holdfast {"v":'))
        if (unfinished !== null) expect(obstacle).toBeNull()
        expect(fence === null || typeof fence === 'number').toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a record of somebody else', () => {
  const GOOD = { v: 1, state: 'held', pid: 1, since: 1 }
  const parse = (fields: object) => parseRecord(`holdfast ${JSON.stringify(fields)}`)

  test('needs a state, a process and a time, and nothing else', () => {
    expect(parse(GOOD)).toEqual({
      state: 'held',
      reason: null,
      pid: 1,
      tid: 0,
      host: '',
      boot: null,
      pidns: null,
      owner: null,
      label: null,
      since: new Date(1),
      maxHold: null,
      fence: null,
    })
    for (const name of ['state', 'pid', 'since']) expect(parse({ ...GOOD, [name]: undefined })).toBeNull()
  })

  test.each([
    { state: 'mine' },
    { state: ['held'] },
    { state: null },
    { pid: '1' },
    { pid: null },
    { pid: {} },
    { since: '2020-01-01' },
    { since: 8.64e15 + 1 },
    { since: -1e300 },
    { since: null },
  ])('with %j is none', (fields) => {
    expect(parse({ ...GOOD, ...fields })).toBeNull()
  })

  test('with other fields of the wrong type has none of them', () => {
    const wrong = { tid: '1', host: 1, boot: [], pidns: {}, label: 1, fence: '7', reason: true }
    expect(parse({ ...GOOD, ...wrong })).toEqual(parse(GOOD))
  })

  test.each<[string, string | null]>([
    ['nothing', null],
    ['an empty file', ''],
    ['JSON without the magic word', JSON.stringify(GOOD)],
    ['a list', 'holdfast [1]'],
    ['a number', 'holdfast 1'],
    ['null', 'holdfast null'],
    ['broken JSON', 'holdfast {"v":1,"state":"held"'],
    ['two objects', `holdfast ${JSON.stringify(GOOD)}${JSON.stringify(GOOD)}`],
    ['text behind the object', `holdfast ${JSON.stringify(GOOD)} and more`],
    ['NULs behind the object', `holdfast ${JSON.stringify(GOOD)}\0\0\0`],
    ['an object that ends behind the record', `holdfast ${JSON.stringify({ ...GOOD, label: 'x'.repeat(600) })}`],
  ])('is none: %s', (_, content) => {
    expect(parseRecord(content)).toBeNull()
  })

  test('ends after 512 bytes, whatever stands behind it', () => {
    expect(parseRecord(`${text('label')}somebody's data`)).toMatchObject({ label: 'label' })
  })

  test('cannot change what objects inherit', () => {
    const record = parseRecord('holdfast {"v":1,"__proto__":{"polluted":1},"state":"held","pid":1,"since":1}')
    expect(record).toMatchObject({ state: 'held' })
    expect(record).not.toHaveProperty('polluted')
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('printable', () => {
  test.each<[string, string, string]>([
    ['plain text', 'agent 7, step 3', 'agent 7, step 3'],
    ['letters of all languages', 'Grüße 世界 😀', 'Grüße 世界 😀'],
    ['escape sequences', '\x1b[31mred\x1b[0m\x1b]0;title\x07', '[31mred[0m]0;title'],
    ['control characters of eight bits', '\x80\x9b31m\x9f', '31m'],
    ['line ends', 'a\r\nb\u2028c\u2029d\u0085e', 'abcde'],
    ['NUL, tab and delete', 'a\0b\tc\x7fd', 'abcd'],
    ['changes of direction', '\u202etxt.exe\u202c\u2066\u2069\u200e\u200f\u061c', 'txt.exe'],
    ['what has no width', 'a\u200bb\u200cc\u2060d\ufeffe', 'abcde'],
  ])('of %s', (_, value, expected) => {
    expect(printable(value)).toBe(expected)
  })

  test('leaves nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(printable(value)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})

describe('fences', () => {
  const NOW = 1_795_234_363_754
  const take = (block: FenceBlock) => {
    const numbers: number[] = []
    for (let number = block.take(); number !== null; number = block.take()) numbers.push(number)
    return numbers
  }

  test('begin at the time in microseconds, sixteen to a block', () => {
    const block = new FenceBlock(null, NOW)
    expect(block.end).toBe(NOW * 1000 + 16)
    expect(take(block)).toEqual(Array.from({ length: 16 }, (_, index) => NOW * 1000 + index))
    expect(block.take()).toBeNull()
    expect(block.end).toBe(NOW * 1000 + 16)
  })

  test('go on behind the previous block when the clock has not moved, or has gone back', () => {
    const first = new FenceBlock(null, NOW)
    for (const now of [NOW, NOW - 1, NOW - 5 * 365 * 24 * 3600 * 1000])
      expect(new FenceBlock(first.end, now).take()).toBe(first.end)
  })

  test('go with the clock when it is ahead', () => {
    const first = new FenceBlock(null, NOW)
    expect(new FenceBlock(first.end, NOW + 1).take()).toBe((NOW + 1) * 1000)
  })

  test.each([NaN, Infinity, -Infinity, -1, 0, 0.5, NOW * 1000 + 0.5, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 53])(
    'are not built upon a previous number of %d',
    (previous) => {
      expect(take(new FenceBlock(previous, NOW))).toEqual(take(new FenceBlock(null, NOW)))
    },
  )

  test('are built upon a number that is a year ahead, because clocks are set back', () => {
    const ahead = (NOW + 366 * 24 * 3600 * 1000) * 1000
    expect(new FenceBlock(ahead, NOW).take()).toBe(ahead)
  })

  test('grow from block to block, whatever the clock does, and are whole numbers', () => {
    const clock = fc.array(fc.nat({ max: 10 ** 10 }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(clock, (offsets) => {
        let previous: number | null = null
        let last = -1
        for (const offset of offsets) {
          const block: FenceBlock = new FenceBlock(previous, NOW + offset)
          for (const number of take(block)) {
            expect(Number.isSafeInteger(number)).toBe(true)
            expect(number).toBeGreaterThan(last)
            expect(number).toBeLessThan(block.end)
            last = number
          }
          previous = block.end
        }
      }),
    )
  })
})
