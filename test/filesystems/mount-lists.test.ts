// What systems list of their mounts, where it is the addon that asks them.
import { expect, onTestFinished, test, vi } from 'vitest'

import { attachAddon } from '../../src/kernel/load-addon.js'
import { mountsNow } from '../../src/kernel/mount-table.js'

/** What the rest of this test takes for the system. */
function onSystem(platform: NodeJS.Platform): void {
  const system = vi.spyOn(process, 'platform', 'get').mockReturnValue(platform)
  onTestFinished(() => system.mockRestore())
}

test('on macOS a path lies on the innermost mount that is on its way, whatever the case of the letters', () => {
  onSystem('darwin')
  const root = { point: '/', type: 'apfs', source: '/dev/disk1' }
  const share = { point: '/Volumes/Share', type: 'smbfs', source: '//nas/share' }
  const { at, text } = mountsNow(() => [root, share])
  expect(at('/volumes/share/file')).toMatchObject(share)
  expect(at('/Volumes/Shared/file')).toMatchObject(root)
  expect(text).not.toBe(mountsNow(() => [root]).text)
})

test('on Windows a path lies on its drive, or on the share that it names', () => {
  onSystem('win32')
  const drive = { point: 'C:\\', type: 'fixed', source: 'C:\\' }
  const { at } = mountsNow(() => [drive])
  expect(at('c:\\data\\file')).toMatchObject(drive)
  expect(at('\\\\nas\\home\\file')).toMatchObject({ type: 'remote', point: '\\\\nas\\home' })
})

test('the addon lists mounts with their place, type and source where the system has no table of them', () => {
  const mounts = attachAddon(() => {}).mounts()
  expect(
    mounts.every(({ point, type, source }) => [point, type, source].every((text) => typeof text === 'string')),
  ).toBe(true)
  expect(mounts.length > 0).toBe(process.platform !== 'linux')
})
