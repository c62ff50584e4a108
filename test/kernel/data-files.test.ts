// Changes to data files, on real files.
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { ENOUGH } from '../../src/session/version.js'
import { scratch } from '../helpers/scratch.js'
import { dataFilesContract } from './data-files-contract.js'

const posix = process.platform !== 'win32'
if (!posix) console.log('skipped: permissions and links of data files: this system has others')

for (const { title, obstacle, run } of dataFilesContract) {
  test(title, async ({ skip }) => {
    const reason = obstacle?.(scratch()) ?? null
    if (reason !== null) {
      console.log(`skipped: ${title}: ${reason}`)
      skip(reason)
    }
    await run(scratch())
  })
}

test.skipIf(!posix)(
  'a file that is made has the permissions that were asked for; one that replaces, those of the old',
  async () => {
    const kernel = new NativeKernel()
    const path = join(scratch(), 'file')
    const bytes = Buffer.from('one\n')
    await kernel.change({ task: 'append', path, bytes, mode: 0o640 }, null)
    expect(statSync(path).mode & 0o777).toBe(0o640)
    chmodSync(path, 0o604)
    await kernel.change({ task: 'replace', path, other: `${path}.fresh`, bytes }, null)
    expect(statSync(path).mode & 0o777).toBe(0o604)
  },
)

test.skipIf(!posix)('a link in the last component, a folder and a device are refused and left alone', async () => {
  const kernel = new NativeKernel()
  const folder = scratch()
  const real = join(folder, 'real')
  writeFileSync(real, 'mine\n')
  symlinkSync(real, join(folder, 'link'))
  mkdirSync(join(folder, 'folder'))
  for (const [path, code] of [
    [join(folder, 'link'), 'ELOOP'],
    [join(folder, 'folder'), 'EISDIR'],
    ['/dev/null', 'EFTYPE'],
  ] as const) {
    const report = await kernel.change({ task: 'append', path, bytes: Buffer.from('no\n') }, null)
    expect([report.came, report.failure?.code]).toEqual(['failed', code])
  }
  expect(statSync(real).size).toBe(5)
})

test('what is seen of the end of a file is enough for its version', async () => {
  const path = join(scratch(), 'file')
  writeFileSync(path, 'x'.repeat(3 * ENOUGH))
  const { seen } = await new NativeKernel().change({ task: 'look', path, tail: true }, null)
  expect(seen.length).toBe(ENOUGH)
})
