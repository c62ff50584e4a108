// The programs of examples/multi-host, as they are built.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { Capability } from '../helpers/capabilities.js'
// So that they are checked with the tests that start them.
import type {} from '../../examples/multi-host/src/demo/late-writer.js'
import type {} from '../../examples/multi-host/src/gateway.js'

export const DIST = fileURLToPath(new URL('../../examples/multi-host/dist/', import.meta.url))

export const built: Capability = { name: `${DIST}, which npm run compile:multi-host makes`, there: existsSync(DIST) }
