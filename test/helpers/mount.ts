// Filesystems of a test's own. Unmounted after the test, busy or not.
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { onTestFinished } from 'vitest'

import { program, root, type Capability } from './capabilities.js'
import { scratch } from './scratch.js'
import { until } from './until.js'

/** Root in a container may be without this right, so it is tried: in a mount namespace of its own, which leaves none. */
export const mounts: Capability = {
  name: 'the right to mount a tmpfs',
  there: root.there && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0,
}

function unmountLater(folder: string): void {
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
}

/** A fresh tmpfs; `options` as mount(8) takes them. */
export function tmpfs(options = 'size=1m'): string {
  const folder = scratch()
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'holdfast-test', folder])
  unmountLater(folder)
  return folder
}

/** A fresh filesystem of a type, in a file of a tmpfs; `make` is what mkfs is called. */
export function formatted(type: string, make: string, ...options: string[]): string {
  const image = join(tmpfs('size=400m'), 'image')
  writeFileSync(image, '')
  truncateSync(image, 320 * 2 ** 20)
  execFileSync(make, [...options, image], { stdio: 'ignore' })
  const folder = scratch()
  execFileSync('mount', ['-t', type, '-o', 'loop', image, folder])
  unmountLater(folder)
  return folder
}

/** Two layers: writing goes to `upper`. */
export function overlay(): { folder: string; upper: string } {
  const layers = tmpfs()
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(layers, name))
  if (lower === undefined || upper === undefined || work === undefined) throw new Error('three layers')
  for (const layer of [lower, upper, work]) mkdirSync(layer)
  const folder = scratch()
  const layout = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layout, folder])
  unmountLater(folder)
  return { folder, upper }
}

/** The same folder once more. */
export function bound(source: string): string {
  const folder = scratch()
  execFileSync('mount', ['--bind', source, folder])
  unmountLater(folder)
  return folder
}

export const fuse: Capability = {
  name: 'root, /dev/fuse and the program bindfs',
  there: mounts.there && existsSync('/dev/fuse') && program('bindfs').there,
}

/** A folder behind FUSE, and the daemon that answers for it. */
export async function bindfs(source: string, ...options: string[]): Promise<{ folder: string; daemon: ChildProcess }> {
  const folder = scratch()
  const before = statSync(folder).dev
  const daemon = spawn('bindfs', ['-f', ...options, source, folder], { stdio: 'ignore' })
  onTestFinished(() => void daemon.kill('SIGKILL'))
  unmountLater(folder)
  await until('bindfs has mounted', () => statSync(folder).dev !== before)
  return { folder, daemon }
}

export function makeReadOnly(folder: string): void {
  execFileSync('mount', ['-o', 'remount,ro', folder])
}
