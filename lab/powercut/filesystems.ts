// The filesystems whose disk is cut off, as a machine has them: made and mounted without options, but where it says so.
import { closeSync, ftruncateSync, openSync } from 'node:fs'

import { run } from './requirements.js'

export interface Filesystem {
  readonly name: string
  readonly type: 'ext4' | 'xfs'
  /** For mount. */
  readonly options: string
  readonly maker: { readonly program: string; readonly source: string; readonly options: readonly string[] }
  readonly size: number
}

const MEBIBYTE = 1 << 20
const EXT4 = { program: 'mkfs.ext4', source: 'package e2fsprogs', options: ['-q', '-F'] }
const XFS = { program: 'mkfs.xfs', source: 'package xfsprogs', options: ['-q', '-f'] }

export const FILESYSTEMS: readonly Filesystem[] = [
  { name: 'ext4', type: 'ext4', options: 'rw', maker: EXT4, size: 512 * MEBIBYTE },
  { name: 'xfs', type: 'xfs', options: 'rw', maker: XFS, size: 512 * MEBIBYTE },
  { name: 'ext4 data=writeback', type: 'ext4', options: 'data=writeback', maker: EXT4, size: 512 * MEBIBYTE },
]

/** In a new file, which takes as much space as is written. */
export function makeImage(path: string, { maker, size }: Filesystem): void {
  const file = openSync(path, 'wx')
  ftruncateSync(file, size)
  closeSync(file)
  run(maker.program, [...maker.options, path])
}
