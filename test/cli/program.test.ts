// The frame of the command line: help, versions, mistakes, errors for people and for programs, pipes nobody reads.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { COMMANDS } from '../../src/cli/commands.js'
import { failureOf } from '../../src/cli/failure.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { holdfast, PROGRAM, Running } from './program.js'

const NAMES = Object.keys(COMMANDS)

describe('help', () => {
  test.each(['--help', '-h', 'help'])('holdfast %s lists every command, on standard output', (word) => {
    const { status, stdout, stderr } = holdfast([word])
    expect([status, stderr]).toEqual([0, ''])
    for (const name of NAMES) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'))
  })

  test('holdfast without a command is a mistake that prints the same', () => {
    const { status, stdout, stderr } = holdfast([])
    expect([status, stdout, stderr]).toEqual([64, '', holdfast(['--help']).stdout])
  })

  test.each(NAMES)('holdfast %s --help fits 80 columns', (name) => {
    const { status, stdout } = holdfast([name, '--help'])
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Usage: holdfast ${name} `))
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(holdfast([name, '-h']).stdout).toBe(stdout)
  })

  test('holdfast --version says that of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(holdfast(['--version']).stdout).toBe(`holdfast ${version}\n`)
    expect(holdfast(['-V']).stdout).toBe(`holdfast ${version}\n`)
  })
})

describe('a mistake', () => {
  test('in the name of a command says which was meant, where one is near', () => {
    expect(holdfast(['rnu'])).toMatchObject({
      status: 64,
      stderr: 'holdfast: there is no command rnu; did you mean run?\nSee holdfast --help\n',
    })
    expect(holdfast(['frobnicate']).stderr).toBe('holdfast: there is no command frobnicate\nSee holdfast --help\n')
    expect(holdfast(['toString']).status).toBe(64)
    expect(holdfast(['--frob\x1b[1m']).stderr).toContain('no command --frob\\x1b[1m\n')
  })

  test('in an option says which', () => {
    expect(holdfast(['run', '--frobnicate', 'data', 'true']).stderr).toBe(
      "holdfast: Unknown option '--frobnicate'\nSee holdfast run --help\n",
    )
  })

  test('is one line of JSON with --json', () => {
    const { status, stdout, stderr } = holdfast(['run', '--json', 'data', '--', 'true'])
    expect([status, stdout]).toEqual([64, ''])
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'USAGE', message: "Unknown option '--json'" } })
  })
})

describe('an error', () => {
  test('of the lock tells what it tells, with 71, or 75 where somebody has it', async () => {
    const { LockError, LockTimeoutError } = await import('../../src/errors.js')
    const where = { path: '/data', lockfile: '/data.hold' }
    expect(await failureOf(new LockError('ERR_LOCK_SYSTEM', 'refused', where))).toEqual({
      exit: 71,
      code: 'ERR_LOCK_SYSTEM',
      message: 'refused',
      ...where,
    })
    const facts = { holder: null, processes: [], waited: 1, position: 0 }
    expect(await failureOf(new LockTimeoutError('late', facts, where))).toMatchObject({
      exit: 75,
      code: 'ERR_LOCK_TIMEOUT',
    })
  })

  test('of the system has its code, with 71', async () => {
    const error = Object.assign(new Error('EACCES: no'), { code: 'EACCES', syscall: 'scandir' })
    expect(await failureOf(error)).toEqual({ exit: 71, code: 'EACCES', message: 'EACCES: no' })
  })

  test('of this program is told as such, with 70', async () => {
    expect(await failureOf(new TypeError('x is not a function'))).toMatchObject({ exit: 70, code: 'INTERNAL' })
    expect(await failureOf('thrown')).toEqual({ exit: 70, code: 'INTERNAL', message: 'thrown' })
  })
})

describe('what is printed', () => {
  test.skipIf(missing(posix))('to a pipe that nobody reads any more ends the program quietly', async () => {
    const running = Running.holdfast(['--help'])
    running.process.stdout?.destroy()
    const ended = await running.ended
    expect([ended, running.errors]).toEqual([{ code: 0, signal: null }, ''])
  })

  test.skipIf(missing(posix))('as an error to a pipe that nobody reads any more changes no exit code', async () => {
    const running = Running.holdfast(['frobnicate'])
    running.process.stderr?.destroy()
    expect(await running.ended).toEqual({ code: 64, signal: null })
  })

  const full = { name: '/dev/full', there: existsSync('/dev/full') }
  test.skipIf(missing(full))('to a full disk ends with 71', async () => {
    const running = new Running(['sh', '-c', '"$@" >/dev/full', 'sh', process.execPath, PROGRAM, '--help'])
    expect(await running.ended).toEqual({ code: 71, signal: null })
  })
})

test('nothing of a command is loaded before it is asked for', async () => {
  // Standing where no lock can be: an addon that was loaded would show.
  const script = `
    process.argv.push('--version')
    process.on('exit', () => console.log(process.report.getReport().sharedObjects.some((name) => name.endsWith('.node'))))
    await import(${JSON.stringify(PROGRAM)})`
  const running = new Running([process.execPath, '--input-type=module', '-e', script, join(scratch(), 'none')])
  await once(running.process, 'exit')
  await running.says('false')
})
