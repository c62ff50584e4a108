// What a stack trace calls an error.
import { expect, test } from 'vitest'

import { acquire, isLockError, Owner, tryAcquire } from '../src/index.js'
import { file } from './helpers/target.js'

test('an error is called by its class, and is an Error and a LockError', async () => {
  const [one, two] = [file(), file()]
  const [a, b] = [new Owner('a'), new Owner('b')]
  using first = tryAcquire(one, { owner: a })
  const hold = tryAcquire(two, { owner: b })
  const waiting = acquire(two, { owner: a })
  const refused: unknown = await acquire(one, { owner: b }).catch((error: unknown) => error)
  const late: unknown = await acquire(one, { timeout: 1 }).catch((error: unknown) => error)
  hold?.release()
  ;(await waiting).release()
  expect(first?.held).toBe(true)
  expect([refused, late].map(String).map((text) => text.split(':')[0])).toEqual([
    'LockDeadlockError',
    'LockTimeoutError',
  ])
  for (const error of [refused, late]) {
    expect(error).toBeInstanceOf(Error)
    expect(isLockError(error)).toBe(true)
  }
})
