// Who we may be, and what this machine lacks.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Identity } from './remote.js'

export const isRoot = process.getuid?.() === 0

/** nobody, on every Unix. */
export const NOBODY = 65534

export interface Need {
  /** As it is printed where it is missing. */
  readonly name: string
  readonly there: boolean
}

function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

function canBeNobody(): boolean {
  const read = `require('node:fs').accessSync(${JSON.stringify(fileURLToPath(import.meta.url))})`
  return spawnSync(process.execPath, ['-e', read], { uid: NOBODY, gid: NOBODY, cwd: '/' }).status === 0
}

function canFlag(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-hostile-'))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const can = isRoot && runs('chattr', '+i', file) && runs('chattr', '-i', file)
  rmSync(folder, { recursive: true })
  return can
}

/** The attacker is another user than the victim. */
export const otherUsers: Need = {
  name: 'root, with a Node and a project that another user may use',
  there: isRoot && canBeNobody(),
}
export const devices: Need = { name: 'root', there: isRoot }
export const mounts: Need = {
  name: 'the right to mount a tmpfs',
  there: isRoot && runs('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'),
}
export const flags: Need = { name: 'files that chattr can make immutable', there: canFlag() }

export const leases: Need = {
  name: 'Linux, and the program perl',
  there: process.platform === 'linux' && runs('perl', '-e', '1'),
}

export type User = 'root' | 'nobody'

/** Without root there is one user, who is as unprivileged as any. */
export const USERS: readonly { readonly name: User; readonly identity: Identity }[] = isRoot
  ? [
      { name: 'root', identity: {} },
      ...(otherUsers.there ? [{ name: 'nobody' as const, identity: { uid: NOBODY, gid: NOBODY } }] : []),
    ]
  : [{ name: 'nobody', identity: {} }]
