// What `holdfast ps` tells of a holder that only one of two knows: the kernel, or the record.
import { spawnSync } from 'node:child_process'
import fs, { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { look, lookAt } from '../../src/cli/ps/look.js'
import { inspect } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing, procfs, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { PROGRAM } from './program.js'

/** An id that no process has. */
const NOBODY = 4_194_305

const PS_ALONE = fileURLToPath(new URL('fixtures/ps-alone.mjs', import.meta.url))

/** As its holder writes it. */
function writeRecord(file: string, pid: number, fields: object): void {
  const record = { v: 1, state: 'held', pid, since: Date.now(), ...fields }
  writeFileSync(`${file}.hold`, `holdfast ${JSON.stringify(record)}`.padEnd(512))
}

/** As it is where the table has other numbers for the filesystem than the files. */
function withoutKernelTable(): void {
  const { readFileSync } = fs
  const spy = vi.spyOn(fs, 'readFileSync').mockImplementation((path, options) => {
    return path === '/proc/locks' ? '' : readFileSync(path, options)
  })
  onTestFinished(() => spy.mockRestore())
}

describe.skipIf(missing(procfs))('of a holder that only the record names', () => {
  test('the command is told, for its process is still there', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file, { label: 'mine' })
    withoutKernelTable()
    const { state, holders } = look(`${file}.hold`)
    expect(state).toBe('held')
    const command = expect.stringContaining('agent.mjs') as string
    expect(holders).toMatchObject([{ pid: agent.pid, label: 'mine', mode: 'exclusive', command, confirmed: false }])
  })

  test('no command is told where its process may be another one', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file)
    const { host, pidns } = inspect(file).record ?? {}
    withoutKernelTable()
    const told = (pid: number, fields: object = {}): boolean => {
      writeRecord(file, pid, { host, pidns, ...fields })
      const { holders } = look(`${file}.hold`)
      expect(holders).toMatchObject([{ pid, confirmed: false }])
      return holders[0]?.command !== null
    }
    expect(told(agent.pid)).toBe(true)
    expect(told(agent.pid, { since: 0 })).toBe(false) // it is younger than the hold
    expect(told(NOBODY)).toBe(false)
    expect(told(agent.pid, { host: 'elsewhere' })).toBe(false)
    expect(told(agent.pid, { pidns: '1' })).toBe(false)
  })

  test('nothing is told where the record is of nobody', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file, { record: false })
    withoutKernelTable()
    expect(look(`${file}.hold`)).toMatchObject({ state: 'held', holders: [{ pid: null, label: null, command: null }] })
  })

  test.skipIf(missing(program('ps')))('ps(1) is asked for the command where there is no /proc', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const agent = await Agent.start()
    await agent.acquire(file)
    const { host, pidns } = inspect(file).record ?? {}
    const command = (pid: number, fields: object = {}): unknown => {
      writeRecord(file, pid, { host, pidns, ...fields })
      const { stdout } = spawnSync(process.execPath, ['--import', PS_ALONE, PROGRAM, 'ps', '--json', folder])
      const { holders } = JSON.parse(stdout.toString()) as { holders: { pid: number; command: unknown }[] }
      expect(holders).toMatchObject([{ pid, confirmed: false }])
      return holders[0]?.command
    }
    expect(command(agent.pid)).toContain('agent.mjs')
    expect(command(agent.pid, { since: 0 })).toBeNull() // it is younger than the hold
    expect(command(NOBODY)).toBeNull()
  })
})

describe.skipIf(missing(procfs))('of a holder that only the kernel names', () => {
  test('the record is looked for once more, for the look may have come before it', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file, { label: 'mine' })
    const record = readFileSync(`${file}.hold`)
    truncateSync(`${file}.hold`)
    const [lock] = await lookAt([`${file}.hold`], () => writeFile(`${file}.hold`, record))
    expect(lock?.holders).toMatchObject([{ pid: agent.pid, label: 'mine', confirmed: true }])
  })

  test('nothing else is told where there still is none, and it is not looked for a third time', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file, { record: false })
    const moment = vi.fn(async () => {})
    const [lock] = await lookAt([`${file}.hold`, join(scratch(), 'other.hold')], moment)
    expect(lock?.holders).toMatchObject([{ pid: agent.pid, label: null, since: null, confirmed: true }])
    expect(moment).toHaveBeenCalledOnce()
  })

  test('no time is taken where a record tells all', async () => {
    const file = join(scratch(), 'file')
    const agent = await Agent.start()
    await agent.acquire(file)
    const moment = vi.fn(async () => {})
    await lookAt([`${file}.hold`], moment)
    expect(moment).not.toHaveBeenCalled()
  })
})
