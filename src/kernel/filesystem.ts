// What is known of a kind of filesystem: whether its locks exclude, whom, and whether its calls are sure to return.
import type { Mount } from './mount-table.js'

/**
 * - `local`: the kernel of this machine holds the lock and answers by itself.
 * - `network`: a server holds it, for all its clients.
 * - `unsure`: who holds it depends on a program or a setting that cannot be seen from here.
 * - `broken`: known not to exclude everybody who uses the same file.
 */
export type FilesystemKind = 'local' | 'network' | 'unsure' | 'broken'

export interface Filesystem {
  readonly kind: FilesystemKind
  /** As the system calls it; `unknown` where it does not tell. */
  readonly type: string
  /** Where it is mounted. */
  readonly mount: string
  readonly source: string
  /** Why it is not simply local. */
  readonly reason: string
  /** Its calls may never return, so none is made on the JavaScript thread. */
  readonly distant: boolean
}

const LOCAL_TYPES = new Set([
  ...['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'zfs', 'bcachefs', 'f2fs', 'jfs', 'nilfs2', 'reiserfs', 'ufs'],
  ...['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'hugetlbfs', 'overlay', 'aufs', 'ecryptfs', 'squashfs', 'erofs'],
  ...['vfat', 'msdos', 'exfat', 'ntfs', 'ntfs3', 'hfs', 'hfsplus', 'apfs', 'iso9660', 'udf', 'devfs'],
  'local', // a drive of Windows
])

const NETWORK_TYPES = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'afs', 'afpfs', 'ceph', 'lustre', 'gpfs', 'ocfs2', 'gfs2'],
  'remote', // a drive of Windows
])

/** Options by which a client keeps locks to itself. */
const LONELY_OPTIONS: Record<string, readonly string[]> = {
  nfs: ['nolock', 'local_lock=flock', 'local_lock=all'],
  nfs4: ['nolock', 'local_lock=flock', 'local_lock=all'],
  cifs: ['nobrl'],
  smb3: ['nobrl'],
}

export function classify({ type, point, source, options }: Mount): Filesystem {
  const filesystem = (kind: FilesystemKind, reason: string): Filesystem => {
    return { kind, type, mount: point, source, reason, distant: kind !== 'local' }
  }
  const lonely = LONELY_OPTIONS[type]?.find((option) => options.includes(option))
  if (lonely !== undefined) {
    return filesystem('broken', `it is mounted with ${lonely}: its locks do not exclude other clients of the server`)
  }
  if (type === 'fakeowner') {
    return filesystem(
      'broken',
      'Docker Desktop shares it in two layers whose locks do not exclude each other; use a volume',
    )
  }
  if (LOCAL_TYPES.has(type)) return filesystem('local', '')
  if (NETWORK_TYPES.has(type)) return filesystem('network', 'its locks are kept by a server')
  return filesystem('unsure', `whether locks on ${type} exclude everybody cannot be seen from here`)
}

/** Of a folder of which the system tells nothing. */
export function unknownFilesystem(reason: string): Filesystem {
  return { kind: 'unsure', type: 'unknown', mount: '', source: '', reason, distant: true }
}

/**
 * The numbers by which statfs(2) on Linux tells filesystems that are not local. It is asked only of mounts that are
 * local by their name, to notice what a name hides, and it can only make things worse: 9p passes on the number of the
 * filesystem behind it.
 */
const DISTANT_NUMBERS = new Map<number, string>([
  [0x6969, 'nfs'],
  [0x517b, 'smbfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb3'],
  [0x01021997, '9p'],
  [0x65735546, 'fuse'],
  [0x5346414f, 'afs'],
  [0x73757245, 'coda'],
  [0x00c36400, 'ceph'],
  [0x7461636f, 'ocfs2'],
  [0x01161970, 'gfs2'],
  [0x0bd00bd3, 'lustre'],
  [0x786f4256, 'vboxsf'],
])

/** The name of a filesystem that is not local, by its number. */
export function distantType(number: number): string | undefined {
  return DISTANT_NUMBERS.get(number >>> 0)
}
