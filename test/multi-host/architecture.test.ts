// The recipe of examples/multi-host can be taken over without the rest, and is made of public names.
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { cycles, dangling, readImportGraph, violations, type Direction } from '../helpers/import-graph.js'

const SRC = fileURLToPath(new URL('../../examples/multi-host/src', import.meta.url))
const RECIPE = /^(schema|json|pool|fenced|transcript|store)\.ts$/

const DIRECTIONS: readonly Direction[] = [
  {
    from: /./,
    to: /^(?!node:|holdfast$|holdfast\/postgres$|pg$)(?!.*\.ts$)/,
    because: 'it is made of public names',
  },
  {
    from: RECIPE,
    to: /^(?!(schema|json|pool|fenced|transcript|store)\.ts$).*\.ts$/,
    because: 'the recipe knows nothing of the gateway',
  },
  { from: /^(?!demo\/)/, to: /^demo\//, because: 'the gateway knows nothing of who tries it' },
  {
    from: /^demo\/ledger\.ts$/,
    to: /^(?!events\.ts$)/,
    because: 'who checks does not use what is checked',
  },
]

const graph = readImportGraph(SRC)

test('imports point where they may, and make no cycle', () => {
  expect(graph.size).toBeGreaterThan(15)
  expect(dangling(graph)).toEqual([])
  expect(violations(graph, DIRECTIONS)).toEqual([])
  expect(cycles(graph)).toEqual([])
})

test('imports that may not be are found', () => {
  const bad = new Map([
    ['gateway.ts', ['demo/stage.ts', '../../../src/index.ts', 'left-pad', 'holdfast/postgres', 'node:fs']],
    ['fenced.ts', ['session.ts', 'pg', 'json.ts']],
    ['demo/ledger.ts', ['fenced.ts', 'events.ts']],
  ])
  expect(violations(bad, DIRECTIONS)).toHaveLength(4)
})
