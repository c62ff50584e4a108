// Command lines of the programs that cannot be obeyed: each says what was expected, in a sentence without a stack, ends with
// a code of its own, and does nothing.
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { tryAcquire } from 'holdfast'
import { describe, expect, onTestFinished, test } from 'vitest'

import { gatewayOf } from '../../../examples/gateway/src/places.js'
import { scratch } from '../../helpers/scratch.js'
import { Model } from './model.js'
import { cli, main, Program } from './programs.js'
import { messagesOf, storeIn } from './stand.js'

async function refused(program: Program): Promise<string> {
  expect(await program.ended).toEqual({ code: 2, signal: null })
  expect(program.out).toEqual([])
  const said = program.err.join('\n')
  expect(said).not.toContain('    at ')
  return said
}

describe('the gateway', () => {
  test.each([
    ['--port', 'abc'],
    ['--port', ''],
    ['--port', '-1'],
    ['--port', '65536'],
    ['--port', '80.5'],
    ['--port', '0x50'],
    ['--lane-timeout', '0'],
    ['--lane-timeout', '-5'],
    ['--lane-timeout', 'soon'],
    ['--lane-timeout', '2147483648'],
    ['--provider', 'nowhere'],
    ['--provider', 'file:///etc/passwd'],
    ['--unheard-of', 'x'],
  ])('refuses %s %j before it takes the folder', async (option, value) => {
    const folder = scratch()
    const said = await refused(Program.start('main', '--folder', folder, `${option}=${value}`))
    expect(said).toContain(option)
    expect(readdirSync(folder)).toEqual([])
  })

  test.each([[[]], [['--folder=']], [['--folder', 'x', 'y']]])('refuses %j', async (args) => {
    expect(await refused(Program.start('main', ...args))).not.toBe('')
  })

  test('that cannot have its port ends with 1, says why, and leaves the folder to the next', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const folder = scratch()
    const { port } = server.address() as AddressInfo
    const program = Program.start('main', '--folder', folder, '--port', `${port}`)
    expect(await program.ended).toEqual({ code: 1, signal: null })
    expect(program.err.join()).toContain('EADDRINUSE')
    const free = tryAcquire(gatewayOf(folder))
    free?.release()
    expect(free).not.toBeNull()
  })

  test('makes its folder, and takes messages there', async () => {
    const folder = join(scratch(), 'a', 'b')
    await main(folder).url()
    expect(existsSync(gatewayOf(folder) + '.hold')).toBe(true)
  })
})

describe('the command line', () => {
  test.each([
    [[]],
    [['unheard-of']],
    [['unheard-of', 'a', 'x']],
    [['send']],
    [['send', 'a']],
    [['send', 'a', '']],
    [['ask', 'a']],
    [['title', 'a']],
    [['send', '../a', 'x']],
    [['send', 'A', 'x']],
    [['--unheard-of', 'sessions']],
    [['--provider', 'nowhere', 'sessions']],
  ])('refuses %j', async (args) => {
    const folder = scratch()
    expect(await refused(Program.start('cli', '--folder', folder, ...args))).not.toBe('')
    expect(readdirSync(folder).filter((name) => name.endsWith('.jsonl'))).toEqual([])
  })

  test('without a folder says what it can do', async () => {
    expect(await refused(Program.start('cli', 'sessions'))).toMatch(/--folder[^]*send[^]*ask[^]*title[^]*sessions/)
  })

  test('takes all the words of a text', async () => {
    const folder = scratch()
    const { code, out } = await cli(folder, 'send', 'a', 'how', 'are', 'you?')
    expect([code, messagesOf(folder, 'a')]).toEqual([0, out])
    await cli(folder, 'title', 'a', 'The', 'crowd')
    expect(storeIn(folder).sessions).toEqual({ a: { answered: 0, title: 'The crowd' } })
    expect(await cli(folder, 'sessions')).toMatchObject({ code: 0, out: ['a'] })
  })

  test('that asks while the provider fails says so and ends with 1, and its message stays', async () => {
    const model = new Model(() => Promise.reject(new Error('network')))
    const folder = scratch()
    const asked = await cli(folder, '--provider', await model.listen(), 'ask', 'a', 'hello?')
    expect(asked).toMatchObject({ code: 1, out: [] })
    expect(asked.err.join('\n')).toContain('The provider answered 500')
    expect(messagesOf(folder, 'a')).toHaveLength(1)
  })
})

describe('the job', () => {
  test.each([
    [[]],
    [['--every', '100']],
    [['--every=-1', 'a']],
    [['--every', '0', 'a']],
    [['--every', 'hour', 'a']],
    [['--every', '2147483648', 'a']],
    [['../a']],
    [['a', 'B']],
    [['--unheard-of', 'a']],
  ])('refuses %j', async (args) => {
    const folder = scratch()
    expect(await refused(Program.start('cron', '--folder', folder, ...args))).not.toBe('')
    expect(readdirSync(folder)).toEqual([])
  })
})
