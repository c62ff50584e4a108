// The place of one case: a folder that everybody may write to, and beside it a tree that nobody may touch.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { isRoot, NOBODY, type User } from './users.js'

export const ATTACKER = { uid: 12345, gid: 12345 }

export class Arena {
  readonly base: string
  /** Mode 1777, and ours. */
  readonly folder: string
  /** Mode 1777, and the attacker's: whatever anybody makes there, the attacker may delete. */
  readonly theirs: string
  readonly outside: string
  /** What the victim locks, and its lock file. Neither is there. */
  readonly target: string
  readonly lockfile: string
  private readonly user: User
  private readonly mounts: string[] = []
  private readonly flagged: string[] = []

  constructor(user: User) {
    this.user = user
    this.base = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-hostile-')))
    chmodSync(this.base, 0o755)
    this.folder = this.makeFolder('shared', 0o1777)
    this.theirs = this.makeFolder('theirs', 0o1777)
    this.give(this.theirs)
    this.outside = this.makeFolder('outside', 0o755)
    this.target = join(this.folder, 'data')
    this.lockfile = `${this.target}.hold`
    this.file(join(this.outside, 'secret'), 0o600, 'secret\n')
    this.file(join(this.outside, 'public'), 0o666, 'public\n')
    this.file(join(this.outside, 'empty'), 0o666)
    this.file(join(this.outside, 'private'), 0o600)
    mkdirSync(join(this.outside, 'folder'))
    chmodSync(join(this.outside, 'folder'), 0o777)
  }

  /** A path in the folder that everybody may write to. */
  in(name: string): string {
    return join(this.folder, name)
  }

  /** A path in the tree outside: `secret` 0600, `public` 0666, both with content; `empty` 0666, `private` 0600; `folder` 0777. */
  out(name: string): string {
    return join(this.outside, name)
  }

  file(path: string, mode: number, content: string | Buffer = ''): void {
    writeFileSync(path, content)
    chmodSync(path, mode)
  }

  /** The victim's. */
  ours(path: string, mode: number, content: string | Buffer = ''): void {
    this.file(path, mode, content)
    this.giveBack(path)
  }

  ourLink(path: string, destination: string): void {
    symlinkSync(destination, path)
    this.giveBack(path)
  }

  /** The owner's of the folder that everybody may write to: everybody follows it. */
  ownersLink(path: string, destination: string): void {
    symlinkSync(destination, path)
  }

  ourFolder(path: string, mode: number): void {
    mkdirSync(path)
    this.giveBack(path)
    chmodSync(path, mode)
  }

  /** The attacker's. */
  foreign(path: string, mode: number, content: string | Buffer = ''): void {
    writeFileSync(path, content)
    this.give(path)
    chmodSync(path, mode)
  }

  foreignLink(path: string, destination: string): void {
    symlinkSync(destination, path)
    this.give(path)
  }

  foreignFolder(path: string, mode = 0o755): void {
    mkdirSync(path)
    this.give(path)
    chmodSync(path, mode)
  }

  foreignFifo(path: string, mode = 0o666): void {
    execFileSync('mkfifo', [path])
    this.give(path)
    chmodSync(path, mode)
  }

  /** Node takes a socket away with its server, but not one that has another name by then. */
  async foreignSocket(path: string): Promise<void> {
    const server = createServer().listen(`${path}~`)
    await once(server, 'listening')
    renameSync(`${path}~`, path)
    server.close()
    this.give(path)
    chmodSync(path, 0o666)
  }

  device(path: string, kind: 'c' | 'b', major: number, minor: number): void {
    execFileSync('mknod', ['-m', '666', path, kind, String(major), String(minor)])
  }

  hardLink(path: string, to: string): void {
    linkSync(to, path)
  }

  /** Its owner is the attacker, where that can be. */
  give(path: string): void {
    if (isRoot) lchownSync(path, ATTACKER.uid, ATTACKER.gid)
  }

  private giveBack(path: string): void {
    if (isRoot && this.user === 'nobody') lchownSync(path, NOBODY, NOBODY)
  }

  /** For what was written by the case itself. */
  expectContent(path: string, content: string): void {
    if (readFileSync(path, 'utf8') !== content) throw new Error(`${path} has another content`)
  }

  mount(folder: string, options: string): void {
    mkdirSync(folder, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'holdfast-hostile', folder])
    this.mounts.push(folder)
  }

  /** One of the attributes of chattr(1), until the end. */
  flag(path: string, flag: 'i' | 'a'): void {
    execFileSync('chattr', [`+${flag}`, path])
    this.flagged.push(path)
  }

  remove(): void {
    for (const path of this.flagged) execFileSync('chattr', ['-ia', path])
    for (const folder of this.mounts) execFileSync('umount', ['-l', folder])
    rmSync(this.base, { recursive: true, force: true })
  }

  private makeFolder(name: string, mode: number): string {
    const folder = join(this.base, name)
    mkdirSync(folder)
    chmodSync(folder, mode)
    return folder
  }
}
