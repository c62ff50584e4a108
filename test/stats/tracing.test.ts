// What tracing must not change: where a lock was acquired, and in whose async context its events come.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { scratch } from '../helpers/scratch.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What a program prints that has `path`, and runs as it stands: vitest would rewrite its stacks. */
function run(text: string): string {
  const script = `const path = ${JSON.stringify(join(scratch(), 'data'))}\n${text}`
  const args = ['--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.trim()
}

const IMPORTS = `
  import { subscribe } from 'node:diagnostics_channel'
  import { AsyncLocalStorage } from 'node:async_hooks'
  import { acquire, holds, Owner } from 'holdfast'`

test('a traced acquire tells where it was called', () => {
  const printed = run(`${IMPORTS}
    subscribe('tracing:holdfast:acquire:asyncEnd', () => {})
    async function lane() {
      return await acquire(path, { owner: new Owner('lane') })
    }
    await lane()
    console.log(holds()[0].acquiredAt)`)
  expect(printed.split('\n')[0]).toMatch(/^at lane /)
})

test('the events of a trace come in the async context of the call, whoever lets it in', () => {
  const printed = run(`${IMPORTS}
    const context = new AsyncLocalStorage()
    for (const name of ['start', 'end', 'error', 'asyncStart', 'asyncEnd']) {
      subscribe('tracing:holdfast:acquire:' + name, ({ outcome }) => console.log(name, context.getStore(), outcome))
    }
    const hold = await context.run('holder', () => acquire(path))
    const wait = context.run('waiter', () => acquire(path))
    context.run('holder', () => hold.release())
    await wait
    await context.run('late', () => acquire(path, { timeout: 0 })).catch(() => console.log('rejected'))`)
  expect(printed.split('\n')).toEqual([
    'start holder null',
    'end holder granted',
    'asyncStart holder granted',
    'asyncEnd holder granted',
    'start waiter null',
    'end waiter null',
    'asyncStart waiter granted',
    'asyncEnd waiter granted',
    'start late null',
    'end late timeout',
    'error late timeout',
    'asyncStart late timeout',
    'asyncEnd late timeout',
    'rejected',
  ])
})
