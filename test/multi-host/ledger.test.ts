// The ledger of examples/multi-host finds each kind of wrong that it is there for, and nothing where all is well.
import { expect, test } from 'vitest'

import type { Told } from '../../examples/multi-host/src/events.js'
import { ledgerOf, type Evidence, type Row } from '../../examples/multi-host/src/demo/ledger.js'

const row = (seq: number, id: string, fence: number, at = seq): Row => ({ session: 'alpha', seq, id, fence, at })
const acknowledged = (seq: number, id: string): Told => ({
  event: 'acknowledged',
  session: 'alpha',
  id,
  seq,
  fence: 16,
  added: true,
  at: 0,
})
const lost = (fence: number, at: number, held = false): Told => ({
  event: 'lost',
  session: 'alpha',
  fence,
  held,
  why: 'ERR_LOCK_LOST',
  at,
})

const WELL: Evidence = {
  rows: [row(1, 'a', 16), row(2, 'b', 16), row(3, 'c', 32)],
  entries: [{ session: 'alpha', lines: 3, last: 'c' }],
  events: [acknowledged(1, 'a'), acknowledged(2, 'b'), acknowledged(2, 'b'), lost(16, 2), acknowledged(3, 'c')],
  sent: ['a', 'b', 'c'],
}

test('what is well has no problems', () => {
  expect(ledgerOf(WELL)).toEqual({ lines: 3, acknowledged: 3, losses: 1, problems: [] })
})

const [a, b, c] = WELL.rows

test.each<[string, Partial<Evidence>, string]>([
  [
    'a line that was acknowledged and is lost',
    { rows: [a, b].filter((one) => one !== undefined), entries: [{ session: 'alpha', lines: 2, last: 'b' }] },
    'c was acknowledged and is lost',
  ],
  [
    'a line that is there twice',
    { rows: [...WELL.rows, row(4, 'c', 32)], entries: [{ session: 'alpha', lines: 4, last: 'c' }] },
    'c is there 2 times',
  ],
  ['a line at another place', { events: [acknowledged(2, 'a')] }, 'a was acknowledged at 2 and is at 1'],
  ['a message that is never acknowledged', { sent: ['a', 'b', 'c', 'd'] }, 'd was sent and never acknowledged'],
  ['a line that nobody was sent', { sent: ['a', 'b'] }, 'c is there, and nobody who may write was sent it'],
  [
    'a hole',
    {
      rows: [a, c].filter((one) => one !== undefined),
      sent: ['a', 'c'],
      events: [acknowledged(1, 'a'), acknowledged(3, 'c')],
      entries: [],
    },
    'alpha has a hole before 3',
  ],
  [
    'a fence that goes back',
    { rows: [row(1, 'a', 16), row(2, 'b', 32), row(3, 'c', 16)], events: WELL.events.slice(0, 3) },
    'c has the fence 16 after one with 32',
  ],
  [
    'a store that counts wrong',
    { entries: [{ session: 'alpha', lines: 4, last: 'c' }] },
    'the store says 4 lines of alpha, and there are 3',
  ],
  [
    'a store that missed a line',
    { entries: [{ session: 'alpha', lines: 3, last: 'b' }] },
    'the store says that b is the last line of alpha',
  ],
  [
    'a holder that did not know',
    { events: [lost(16, 2, true)] },
    'the hold 16 of alpha was lost and said that it was held',
  ],
  [
    'a line that was written after its writer had lost the lock',
    { events: [lost(32, 1)] },
    'c was written 2 ms after its writer knew that it had lost the lock',
  ],
])('%s is found', (_, change, problem) => {
  expect(ledgerOf({ ...WELL, ...change }).problems).toContain(problem)
})
