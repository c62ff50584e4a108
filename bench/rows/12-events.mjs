import { measurePair } from '../lib/pair.mjs'

export const id = 'events'
export const title = 'acquire() and release() with subscribers'

export const measure = (run) =>
  measurePair(run, {
    id,
    without: { name: 'nobody', contender: 'holdfast' },
    having: { name: 'holdfast:hold and holdfast:release are subscribed to', contender: 'holdfast-events' },
    most: 1.5,
    notes: 'Each cycle makes and delivers two events.',
  })
