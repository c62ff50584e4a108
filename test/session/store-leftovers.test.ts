// What a dead process has left beside a store, where it cannot be removed.
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { removeLeftovers } from '../../src/session/store-leftovers.js'
import { scratch } from '../helpers/scratch.js'

test('leftovers that cannot be looked for are no error of whoever looks', async () => {
  const path = join(scratch(), 'a folder that is gone', 'file')
  await expect(removeLeftovers(path, {})).resolves.toBeUndefined()
})
