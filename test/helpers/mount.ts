// Filesystems of a test's own: full, read-only, another device. Unmounted after the test, busy or not.
import { execFileSync, spawnSync } from 'node:child_process'

import { onTestFinished } from 'vitest'

import { root, type Capability } from './capabilities.js'
import { scratch } from './scratch.js'

/** Root in a container may be without this right, so it is tried: in a mount namespace of its own, which leaves none. */
export const mounts: Capability = {
  name: 'the right to mount a tmpfs',
  there: root.there && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0,
}

/** A fresh tmpfs; `options` as mount(8) takes them. */
export function tmpfs(options = 'size=1m'): string {
  const folder = scratch()
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'holdfast-test', folder])
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  return folder
}

export function makeReadOnly(folder: string): void {
  execFileSync('mount', ['-o', 'remount,ro', folder])
}
