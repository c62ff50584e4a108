// A process of the test runner is ended by a signal: what it has run is written before.
import { takeCoverage } from 'node:v8'

import { afterAll } from 'vitest'

afterAll(() => takeCoverage())
