// Reading while somebody changes what a path means, between the looks at it that reading makes.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

import { expect, onTestFinished, test, vi } from 'vitest'

import { missing, posix } from '../helpers/capabilities.js'
import { fresh, linesOf } from '../helpers/transcript.js'

/** `before` and `after` happen each time that a file is opened for reading; answers what was opened. */
function aroundOpen(path: string, { before, after }: { before?: () => void; after?: () => void }): FileHandle[] {
  const { open } = promises
  const handles: FileHandle[] = []
  const spy = vi.spyOn(promises, 'open').mockImplementation(async (...args) => {
    if (args[0] !== path) return await open(...args)
    before?.()
    const handle = await open(...args)
    handles.push(handle)
    after?.()
    return handle
  })
  syncBuiltinESMExports() // for those who imported the function by its name
  onTestFinished(() => {
    spy.mockRestore()
    syncBuiltinESMExports()
  })
  return handles
}

/** Nothing that was opened for reading stays open. */
function expectClosed(handles: readonly FileHandle[]): void {
  expect(handles.map(({ fd }) => fd)).toEqual(handles.map(() => -1))
}

test('a file that is replaced again and again while it is opened is refused, and each one is closed', async () => {
  const transcript = await fresh()
  await transcript.append(1)
  const handles = aroundOpen(transcript.path, {
    before: () => {
      writeFileSync(`${transcript.path}.new`, '2\n')
      renameSync(`${transcript.path}.new`, transcript.path)
    },
  })
  await expect(linesOf(transcript.read())).rejects.toMatchObject({ code: 'ERR_SESSION_UNREADABLE' })
  expect(handles.length).toBeGreaterThan(1)
  expectClosed(handles)
})

test('a folder that takes the place of a file that was just opened is refused, and the file is closed', async () => {
  const transcript = await fresh()
  await transcript.append(1)
  const handles = aroundOpen(transcript.path, {
    after: () => {
      rmSync(transcript.path)
      mkdirSync(transcript.path)
    },
  })
  await expect(linesOf(transcript.read())).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM' })
  expect(handles).toHaveLength(1)
  expectClosed(handles)
})

test.skipIf(missing(posix))('a link that takes the place of a file before it is opened is not followed', async () => {
  const transcript = await fresh()
  await transcript.append(1)
  writeFileSync(`${transcript.path}.other`, '2\n')
  const handles = aroundOpen(transcript.path, {
    before: () => {
      rmSync(transcript.path)
      symlinkSync(`${transcript.path}.other`, transcript.path)
    },
  })
  const refused = await linesOf(transcript.read()).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'ERR_SESSION_SYSTEM', cause: { code: 'ELOOP' } })
  expect(handles).toEqual([])
})
