// The model of the protocol (spec/), in the configurations that take seconds, and some of the bugs that must be found in it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { CONFIGURATIONS } from '../../lab/spec/configurations.js'
import { MUTANTS } from '../../lab/spec/mutants.js'
import { visit } from '../../lab/spec/spin.js'
import { missing, program, type Capability } from '../helpers/capabilities.js'

const MODEL = fileURLToPath(new URL('../../spec', import.meta.url))

/** These take a hundredth of the others' depth. */
const DEEPEST = 500_000

const spin: Capability = { name: 'the program spin', there: spawnSync('spin', ['-V']).status === 0 }

const MINUTE = 60_000

describe.skipIf(missing(spin, program('cc')))('the protocol as a model', () => {
  test.each(CONFIGURATIONS.filter(({ short }) => short))(
    'holds in every order of its steps: $name',
    async (configuration) => {
      const { violation, complete, states } = await visit(MODEL, { ...configuration, small: true, deepest: DEEPEST })
      expect({ violation, complete }).toEqual({ violation: null, complete: true })
      expect(states).toBeGreaterThan(1000)
    },
    MINUTE,
  )

  test.each(MUTANTS.filter(({ short }) => short))(
    'fails with a planted bug: $about',
    async ({ name, defines, breaks }) => {
      const search = { defines: [...defines, `MUTANT_${name}`], small: true, deepest: DEEPEST }
      expect((await visit(MODEL, search)).violation).toBe(breaks)
    },
    MINUTE,
  )
})
