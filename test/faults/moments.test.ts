// Somebody who does not keep the lock does the worst between two calls of a writer; and calls that hardly ever fail do.
import { appendFileSync, chownSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missing, root } from '../helpers/capabilities.js'
import { faultable, Worker, type Fault } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'
import { asides, strangersBeside } from '../helpers/transcript.js'
import { until } from '../helpers/until.js'
import { contentOf } from './killed.js'

/** One line is in the file. */
async function writing(): Promise<{ writer: Worker; file: string }> {
  const folder = scratch()
  const file = join(folder, 'file')
  const writer = await Worker.start(folder)
  await writer.ask('open', file)
  await writer.ask('append', 1)
  return { writer, file }
}

const stopAt = (call: string, at: number): Fault => ({ does: 'stop', call, file: 'file', at })

async function stopped(writer: Worker, times = 1): Promise<void> {
  await until('it stops', () => writer.faults.stopped === times)
}

test.skipIf(missing(faultable))(
  'a torn line that somebody goes on with before it is cut off stays, and no copy of it is left',
  async () => {
    const { writer, file } = await writing()
    appendFileSync(file, '"torn\0')
    writer.faults.arm(stopAt('open', 2)) // the first is that of the append
    const appended = writer.ask('append', 2)
    await stopped(writer)
    expect(asides(file)).toEqual(['"torn\0'])
    appendFileSync(file, 'theirs"\n')
    writer.faults.resume()
    await appended
    expect(contentOf(file)).toBe('1\n"torn\0theirs"\n2\n')
    expect(asides(file)).toEqual([])
    expect(await writer.ask('events')).toEqual([])
  },
)

test.skipIf(missing(faultable))(
  'a batch between whose write and whose look somebody writes and then renames the file away is in that file, and not written again',
  async () => {
    const { writer, file } = await writing()
    writer.faults.arm(stopAt('write', 1), stopAt('open', 2))
    const appended = writer.ask<string>('append', 2)
    await stopped(writer)
    appendFileSync(file, '"theirs"\n')
    writer.faults.resume()
    await stopped(writer, 2)
    renameSync(file, `${file}.old`)
    writeFileSync(file, '"new"\n')
    writer.faults.resume()
    const version = await appended
    expect(contentOf(`${file}.old`)).toBe('1\n"theirs"\n2\n')
    expect(contentOf(file)).toBe('"new"\n')
    expect(version).not.toBe(await writer.ask('version'))
    await writer.ask('append', 3)
    expect(contentOf(file)).toBe('"new"\n3\n')
  },
)

test.skipIf(missing(faultable))(
  'a batch that is written to a file which somebody has just deleted is written again, to the file that is there then',
  async () => {
    const { writer, file } = await writing()
    writer.faults.arm(stopAt('write', 1))
    const appended = writer.ask<string>('append', 2)
    await stopped(writer)
    rmSync(file)
    writeFileSync(file, '"new"\n')
    writer.faults.resume()
    expect(await appended).toBe(await writer.ask('version'))
    expect(contentOf(file)).toBe('"new"\n2\n')
    expect(await writer.ask('events')).toMatchObject([{ kind: 'rewritten' }])
  },
)

test.skipIf(missing(faultable))(
  'a line that somebody appends between the last look of a compaction and its move is in the new file too',
  async () => {
    const { writer, file } = await writing()
    const version = await writer.ask<string>('version')
    writer.faults.arm(stopAt('rename', 1))
    const compacted = writer.ask('compact', ['short'], version)
    await stopped(writer)
    appendFileSync(file, '"late"\n')
    writer.faults.resume()
    await compacted
    expect(contentOf(file)).toBe('"short"\n"late"\n')
    expect(await writer.ask('events')).toMatchObject([{ kind: 'foreign' }])
  },
)

test.skipIf(missing(faultable))('a device that takes no byte and says nothing is an error, not a wait', async () => {
  const { writer, file } = await writing()
  writer.faults.arm({ does: 'part', call: 'write', file: 'file', at: 0, most: 0 })
  expect(await writer.refusal('append', 2)).toMatchObject({
    code: 'ERR_SESSION_SYSTEM',
    causeCode: 'EIO',
    causeSyscall: 'write',
    undone: true,
  })
  writer.faults.disarm()
  expect(contentOf(file)).toBe('1\n')
})

test.skipIf(missing(faultable, root))(
  'a compaction whose new file cannot be given to the old owner for a failure of the device leaves the old file',
  async () => {
    const { writer, file } = await writing()
    const version = await writer.ask<string>('version')
    chownSync(file, 1234, 1234)
    writer.faults.arm({ does: 'fail', call: 'fchown', at: 0, error: 'EIO' })
    expect(await writer.refusal('compact', ['short'], version)).toMatchObject({
      code: 'ERR_SESSION_SYSTEM',
      causeCode: 'EIO',
      causeSyscall: 'fchown',
      undone: true,
    })
    writer.faults.disarm()
    expect(contentOf(file)).toBe('1\n')
    expect(statSync(file).uid).toBe(1234)
    expect(strangersBeside(file)).toEqual([])
  },
)
