// The command as a process: why one did not begin, and what it inherits.
import { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import { Child, failed, type CommandLine } from '../../src/cli/run/child.js'
import { descriptorsOf } from '../../src/cli/run/descriptors.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const command = (name: string, ...args: string[]): CommandLine => ({ name, args, shell: false })

describe('a command that does not begin', () => {
  test.each([
    ['ENOENT', 127, 'it: not found'],
    ['EACCES', 126, 'it: cannot be executed (EACCES)'],
    ['EAGAIN', 71, 'it: cannot be started now (EAGAIN)'],
    ['EMFILE', 71, 'it: cannot be started now (EMFILE)'],
    ['ENFILE', 71, 'it: cannot be started now (ENFILE)'],
    ['ENOMEM', 71, 'it: cannot be started now (ENOMEM)'],
  ])('because of %s ends with %i', (code, exit, error) => {
    expect(failed(command('it'), Object.assign(new Error(code), { code }))).toEqual({ code: exit, error })
  })

  test.skipIf(missing(posix))('is told by its end, whether spawn() throws or tells later', async () => {
    const endOf = (line: CommandLine) => new Child(line, process.env, []).ended
    expect(await endOf(command('no-such-command'))).toMatchObject({ code: 127 })
    expect(await endOf(command(tmpdir()))).toMatchObject({
      code: 126,
      error: expect.stringContaining('EACCES') as string,
    })
    const long = 'x'.repeat(4_000_000)
    expect(await endOf(command('true', long))).toMatchObject({ code: 126, error: 'true: cannot be executed (E2BIG)' })
  })

  test('can be told nothing', async () => {
    const kill = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(true)
    onTestFinished(() => kill.mockRestore())
    const child = new Child(command('no-such-command'), process.env, [])
    child.tell('SIGTERM')
    await child.ended
    child.tell('SIGTERM')
    expect(kill).not.toHaveBeenCalled()
  })
})

describe('the descriptor of a lock', () => {
  test.skipIf(missing(posix))('is found while it is held, and only then', () => {
    const hold = tryAcquire(join(scratch(), 'data'))
    expect(descriptorsOf(String(hold?.lockfile))).toHaveLength(1)
    hold?.release()
    expect(descriptorsOf(String(hold?.lockfile))).toEqual([])
  })

  test('of a lock file that is gone is none', () => {
    expect(descriptorsOf(join(scratch(), 'gone'))).toEqual([])
  })
})
