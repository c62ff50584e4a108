// The programs of examples/multi-host, as they are built.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { Capability } from '../helpers/capabilities.js'

export const DIST = fileURLToPath(new URL('../../examples/multi-host/dist/', import.meta.url))

export const built: Capability = { name: `${DIST}, which npm run compile:multi-host makes`, there: existsSync(DIST) }
