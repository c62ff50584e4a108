// What is mounted where, as the system lists it: nothing here asks a mounted filesystem anything.
import { readFileSync } from 'node:fs'

export interface Mount {
  readonly point: string
  /** As the system calls it: ext4, nfs4, fuse.sshfs. */
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** Where an absolute path lies; undefined where the system does not tell. */
export type FindMount = (path: string) => Mount | undefined

/** What the addon lists: macOS's mounts, Windows' drives. */
export type ListMounts = () => readonly Omit<Mount, 'options'>[]

/** What is mounted now. Throws where that cannot be read. */
export function mountsNow(list: ListMounts): FindMount {
  if (process.platform === 'linux') {
    const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    return (path) => mountAt(mounts, path, '/')
  }
  const mounts = list().map((mount) => ({ ...mount, options: [] }))
  return process.platform === 'win32' ? (path) => windowsMountAt(mounts, path) : (path) => mountAt(mounts, path, '/')
}

/** `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda rw,errors=continue`; see proc(5). */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ')
    if (left === undefined || right === undefined) continue
    const [, , , , point = '', options = ''] = left.split(' ')
    const [type = '', source = '', more = ''] = right.split(' ')
    mounts.push({
      point: unescape(point),
      type,
      source: unescape(source),
      options: [...split(options), ...split(more)],
    })
  }
  return mounts
}

/** By the text of the path: the innermost, and of several in one place the last. */
export function mountAt(mounts: readonly Mount[], path: string, separator: string): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    if (contains(mount.point, path, separator) && mount.point.length >= (found?.point.length ?? 0)) found = mount
  }
  return found
}

function contains(point: string, path: string, separator: string): boolean {
  if (!path.startsWith(point)) return false
  return path.length === point.length || point.endsWith(separator) || path[point.length] === separator
}

/** Shares of WSL, whatever case: Linux files, which Windows cannot lock. */
const WSL = /^\\\\wsl(\$|\.localhost)\\/i

/** `\\?\C:\…`, `\\.\C:\…`, `\\?\UNC\server\…`: other spellings of what follows. */
const NAMESPACE = /^\\\\[?.]\\(UNC\\)?/i

/** A drive's mount, a server's share, or a volume without a name. */
export function windowsMountAt(drives: readonly Mount[], path: string): Mount | undefined {
  const plain = path.replace(NAMESPACE, (_, share: string | undefined) => (share === undefined ? '' : '\\\\'))
  const [share] = /^\\\\[^\\]+\\[^\\]+/.exec(plain) ?? []
  if (share !== undefined) return { point: share, type: WSL.test(plain) ? '9p' : 'remote', source: share, options: [] }
  if (plain.startsWith('Volume{')) return { point: plain, type: 'local', source: plain, options: [] }
  return mountAt(drives, plain.slice(0, 1).toUpperCase() + plain.slice(1), '\\')
}

function split(options: string): string[] {
  return options.split(',').filter((option) => option !== '')
}

/** Blanks and backslashes are octal there. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
}
