// What is mounted where, as the system lists it: nothing here asks a mounted filesystem anything.
import { fs } from './late.js'

export interface Mount {
  readonly point: string
  /** As the system calls it: ext4, nfs4, fuse.sshfs. */
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
  /** Its number, and that of the mount it is mounted on, where the system tells (Linux). */
  readonly id?: number
  readonly parent?: number
}

/** What is mounted at one moment. */
export interface MountList {
  readonly mounts: readonly Mount[]
  /** The same text, the same list. */
  readonly text: string
  /** Where an absolute path lies; undefined where the system does not tell. */
  readonly at: (path: string) => Mount | undefined
}

/** What the addon lists: macOS's mounts, Windows' drives. */
export type ListMounts = () => readonly Omit<Mount, 'options'>[]

/** What is mounted now. Throws where that cannot be read. */
export function mountsNow(list: ListMounts): MountList {
  if (process.platform === 'linux') return linuxMounts(fs().readFileSync('/proc/self/mountinfo', 'utf8'))
  const mounts = list().map((mount) => ({ ...mount, options: [] }))
  const text = JSON.stringify(mounts)
  if (process.platform === 'win32') return { mounts, text, at: (path) => windowsMountAt(mounts, path) }
  return { mounts, text, at: (path) => innermost(mounts, path, '/') }
}

export function linuxMounts(text: string): MountList {
  const mounts = parseMountinfo(text)
  return { mounts, text, at: (path) => linuxMountAt(mounts, path) }
}

/** `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda rw,errors=continue`; see proc(5). */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ')
    if (left === undefined || right === undefined) continue
    const [id, parent, , , point = '', options = ''] = left.split(' ')
    const [type = '', source = '', more = ''] = right.split(' ')
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      point: unescape(point),
      type,
      source: unescape(source),
      options: [...split(options), ...split(more)],
    })
  }
  return mounts
}

/**
 * As the kernel goes: from mount to mount, always to the first one on the way, and of several in one place to the last. So
 * a mount that another one hides is not taken for what is there.
 */
function linuxMountAt(mounts: readonly Mount[], path: string): Mount | undefined {
  const onTheWay = mounts.filter(({ point }) => contains(point, path, '/'))
  const ids = new Set(mounts.map(({ id }) => id))
  let found = onTheWay.filter(({ parent }) => !ids.has(parent)).reduce<Mount | undefined>(longer, undefined)
  for (let next = found; next !== undefined;) {
    found = next
    const { id } = next
    next = onTheWay
      .filter((mount) => mount.parent === id && mount.id !== id)
      .reduce<Mount | undefined>(shorter, undefined)
  }
  return found
}

/** By the text of the path: the innermost, and of several in one place the last. */
function innermost(mounts: readonly Mount[], path: string, separator: string): Mount | undefined {
  const place = folded(path)
  return mounts
    .filter(({ point }) => contains(folded(point), place, separator))
    .reduce<Mount | undefined>(longer, undefined)
}

function longer(best: Mount | undefined, mount: Mount): Mount | undefined {
  return best !== undefined && best.point.length > mount.point.length ? best : mount
}

function shorter(best: Mount | undefined, mount: Mount): Mount | undefined {
  return best !== undefined && best.point.length < mount.point.length ? best : mount
}

/** macOS and Windows take names that differ in case, and macOS in how an accent is written, for one. */
function folded(text: string): string {
  return text.normalize('NFC').toLowerCase()
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
  return innermost(drives, plain, '\\')
}

function split(options: string): string[] {
  return options.split(',').filter((option) => option !== '')
}

/** Blanks and backslashes are octal there. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
}
