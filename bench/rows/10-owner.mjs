import { measurePair } from '../lib/pair.mjs'

export const id = 'owner'
export const title = 'acquire() with an owner and a label'

export const measure = (run) =>
  measurePair(run, {
    id,
    without: { name: 'acquire() without them', contender: 'holdfast' },
    having: { name: 'with an owner and a label', contender: 'holdfast-owner' },
    most: 1.2,
    notes: 'The stack of the call is kept for owners with a name, at most once a millisecond.',
  })
