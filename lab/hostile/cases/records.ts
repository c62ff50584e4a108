// Records that somebody has written to be printed, parsed or believed. The attacker holds the lock at first, so that errors
// tell of the record; then it lets go, and the lock must be had whatever the record says.
import type { Case } from '../case.js'

const SIZE = 512

function record(fields: object, first = '{"v":1,'): string {
  const rest = JSON.stringify({ state: 'held', pid: 1, since: 1, fence: 1, host: 'host', ...fields }).slice(1)
  return `holdfast ${first}${rest}`.padEnd(SIZE - 1) + '\n'
}

/** Escaped in the record, so that JSON makes the characters of it. */
const ESCAPES = '\u001b[31m\u001b]0;title\u0007\u009b2J\u0000\u0008'
const BIDI = '\u202e\u2066\u2069\u200f\u061c\ufeff\u2028'
const LINES = 'a\r\nError: forged\n    at forged (file.js:1:1)'

const RECORDS: readonly (readonly [string, string | Buffer])[] = [
  ['escapes in its names', record({ owner: ESCAPES, label: ESCAPES, host: ESCAPES })],
  ['bidirectional characters in its names', record({ owner: BIDI, label: BIDI, host: BIDI })],
  ['ends of lines in its names', record({ owner: LINES, label: LINES, host: LINES })],
  ['escapes in its other fields', record({ reason: ESCAPES, boot: ESCAPES, pidns: ESCAPES, extra: ESCAPES })],
  ['raw escapes', record({ label: 'LABEL' }).replace('LABEL', '\x1b[31m\x9b2J')],
  ['bytes that are no UTF-8', Buffer.from(record({ label: 'LABEL' }).replace('LABEL', '\xff\xfe\xc0\x80'), 'latin1')],
  ['a lone half of a character', record({ label: '\ud800', host: '\udfff' })],
  ['a name as long as it can be', record({ label: 'x'.repeat(370) })],
  ['megabytes behind it', record({ label: 'long' }) + 'x'.repeat(4 << 20)],
  ['megabytes of a name', `holdfast {"v":1,"state":"held","pid":1,"since":1,"label":"${'x'.repeat(4 << 20)}"}`],
  ['numbers beyond all bounds', record({ pid: 1e308, tid: -1e308, since: 1, maxHold: 1e308, fence: 9e15 })],
  ['a time beyond all dates', record({ since: 1e300 })],
  ['numbers that are text', record({ pid: ESCAPES, tid: ESCAPES, fence: ESCAPES, maxHold: ESCAPES })],
  ['texts that are lists', record({ owner: [ESCAPES], label: { [ESCAPES]: 1 }, host: [[[]]] })],
  ['fields of the prototype', record({}, '{"v":1,"__proto__":{"label":"polluted"},"constructor":1,')],
  ['a version of the future', record({}, '{"v":999,')],
  ['our own process as its holder', record({ pid: 'PID', label: 'you' })],
  ['JSON as deep as it fits', 'holdfast {"v":' + '['.repeat(SIZE)],
  ['JSON deeper than that', 'holdfast {"v":' + '['.repeat(1 << 20)],
  ['JSON that is cut off', record({}).slice(0, 40)],
  ['JSON that is none', 'holdfast {"v":}}}}'.padEnd(SIZE, '}')],
  ['NULs behind the first word', Buffer.concat([Buffer.from('holdfast {"v":1,'), Buffer.alloc(SIZE)])],
]

export const RECORDS_OF_OTHERS: readonly Case[] = RECORDS.map(([what, content]): Case => ({
  name: `a record with ${what}`,
  async plant(arena, { attacker }) {
    arena.foreign(arena.lockfile, 0o666, content)
    await attacker.ask('hold', arena.target, 'exclusive')
  },
  async act({ arena, victim, attacker, note }) {
    const outcomes = [note(await victim.ask('lock', 'at once', arena.target))]
    const seen = await victim.ask('inspect', arena.target)
    outcomes.push(note(seen), note(await victim.ask('lock', 'acquire', arena.target)))
    await attacker.ask('letGo')
    // The wait that was given up may still be granted for a moment: this one takes it over.
    const ended = await victim.ask('lock', 'acquire', arena.target, { timeout: 10_000 })
    outcomes.push(note(ended), note(await victim.ask('inspect', arena.target)))
    if (ended.key !== null) await victim.ask('letGo', ended.key)
    return outcomes.join(', ')
  },
  changes: ['shared/data.hold'],
  expect: 'busy, held, busy, lock, held',
}))
