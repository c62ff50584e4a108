// The gateway is made of public names, its page knows nothing of it, and what it is compared with is no part of it.
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { cycles, dangling, readImportGraph, violations, type Direction } from '../helpers/import-graph.js'

const SRC = fileURLToPath(new URL('../../examples/gateway/src', import.meta.url))

const DIRECTIONS: readonly Direction[] = [
  {
    from: /./,
    to: /^(?!node:|holdfast$|holdfast\/session$|playwright-core$)(?!.*\.(ts|mjs)$)/,
    because: 'it is made of public names',
  },
  { from: /^(?!lock-files\/)/, to: /\.mjs$/, because: 'lock files are for comparison' },
  {
    from: /^(?!demo\/pictures)/,
    to: /^playwright-core$/,
    because: 'a browser takes pictures',
  },
  {
    from: /^(?!(demo|soak|world|ledger)\/)/,
    to: /^(demo|soak|world|ledger)\//,
    because: 'the gateway knows nothing of who tries it',
  },
  { from: /^(?!(demo|world|lock-files)\/)/, to: /^lock-files\//, because: 'the gateway knows no lock files' },
  { from: /^page\//, to: /^(?!page\/|\.\.\/assets\/).*\.ts$/, because: 'the page knows nothing of the gateway' },
  {
    from: /^ledger\/(ledger|account|standing)\.ts$/,
    to: /^holdfast|^(files|session-files|session|gateway|conversation)\.ts$/,
    because: 'who checks does not use what is checked',
  },
]

const graph = readImportGraph(SRC)

test('imports point where they may, and make no cycle', () => {
  expect(graph.size).toBeGreaterThan(30)
  expect(dangling(graph).filter((text) => !text.includes('/assets/'))).toEqual([])
  expect(violations(graph, DIRECTIONS)).toEqual([])
  expect(cycles(graph)).toEqual([])
})

test('imports that may not be are found', () => {
  const bad = new Map([
    [
      'gateway.ts',
      ['world/world.ts', 'lock-files/rules.ts', '../../../src/index.ts', 'left-pad', 'holdfast', 'node:fs'],
    ],
    ['page/watch.ts', ['gateway.ts', 'page/state.ts', 'playwright-core']],
    ['ledger/ledger.ts', ['holdfast', 'conversation.ts', 'lines.ts']],
  ])
  expect(violations(bad, DIRECTIONS).map((text) => text.replace(/:(?= ).*/, ''))).toEqual([
    'gateway.ts imports world/world.ts',
    'gateway.ts imports lock-files/rules.ts',
    'gateway.ts imports left-pad',
    'page/watch.ts imports gateway.ts',
    'page/watch.ts imports playwright-core',
    'ledger/ledger.ts imports holdfast',
    'ledger/ledger.ts imports conversation.ts',
  ])
})
