// What a transcript is not opened with.
import { expect, test } from 'vitest'

import { acquire, Owner } from '../../src/index.js'
import { openTranscript } from '../../src/session.js'
import { file } from '../helpers/target.js'
import { fresh } from '../helpers/transcript.js'

test.for([
  ['durability', 'sometimes', TypeError],
  ['durability', true, TypeError],
  ['lineBytes', 0, RangeError],
  ['lineBytes', 1.5, RangeError],
  ['highWater', -1, RangeError],
  ['batchBytes', '1', TypeError],
] as const)('%s: %j is refused, and the option is named', async ([name, value, kind]) => {
  const refused = await openTranscript(file(), { [name]: value }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(kind)
  expect(refused).toMatchObject({ message: expect.stringContaining(`options.${name}`) as string })
})

test('what waits for an owner that holds locks itself is pending too', async () => {
  const transcript = await fresh()
  const owner = new Owner('lane')
  const other = await acquire(file(), { owner })
  const foreign = await acquire(transcript.path)
  const waiting = [transcript.append('one', { owner }), transcript.append('two')]
  expect(transcript.pending).toEqual({ lines: 2, bytes: 12 })
  foreign.release()
  await Promise.all(waiting)
  expect(transcript.pending).toEqual({ lines: 0, bytes: 0 })
  other.release()
  owner.close()
})
