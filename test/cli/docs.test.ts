// docs/cli.md shows what the program prints: `npm run docs:cli` writes it.
import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { COMMANDS } from '../../src/cli/commands.js'
import { EXIT } from '../../src/cli/exit-codes.js'

const PAGE = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')

function block(name: string): string | undefined {
  return new RegExp(`<!-- ${name} -->\n\n\`\`\`\\w*\n(.*?)\`\`\`\n\n<!-- /${name} -->`, 's').exec(PAGE)?.[1]
}

test.each(Object.keys(COMMANDS))('the help of holdfast %s is that of the program', async (name) => {
  const command = await COMMANDS[name]?.()
  expect(command?.name).toBe(name)
  expect(block(`help ${name}`)).toBe(command?.help)
})

test('every capture was made', () => {
  const names = [...PAGE.matchAll(/^<!-- (capture \S+) -->$/gm)].map((match) => String(match[1]))
  expect(names.length).toBeGreaterThan(3)
  expect(names.filter((name) => block(name)?.startsWith('$ ') !== true)).toEqual([])
})

test('every exit code is told', () => {
  const [, section] = /^## Exit codes$(.*?)^## /ms.exec(PAGE) ?? []
  const told = [...String(section).matchAll(/^\| (\d+) /gm)].map((match) => Number(match[1]))
  expect(told).toEqual([...new Set(Object.values(EXIT))].sort((a, b) => a - b))
})
