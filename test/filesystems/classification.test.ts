// What a mount table says of a lock file's filesystem. Tables as the systems write them; the folders are real.
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { LockError } from '../../src/index.js'
import { classify, type FilesystemKind } from '../../src/kernel/filesystem.js'
import { Filesystems } from '../../src/kernel/filesystems.js'
import { mountAt, parseMountinfo, windowsMountAt, type Mount } from '../../src/kernel/mount-table.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

/** Lines of /proc/self/mountinfo as such systems have them. */
const LINES: Record<string, readonly [FilesystemKind, string]> = {
  'ext4 on a disk': ['local', '29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro'],
  xfs: ['local', '40 29 8:2 / /srv rw shared:2 - xfs /dev/sda2 rw,attr2'],
  'a subvolume of btrfs': ['local', '41 29 0:32 /@home /home rw shared:3 - btrfs /dev/sdb rw,subvol=/@home'],
  zfs: ['local', '42 29 0:33 / /tank rw shared:4 - zfs tank rw,xattr'],
  tmpfs: ['local', '43 29 0:34 / /tmp rw - tmpfs tmpfs rw,size=1024k'],
  "a container's root": ['local', '44 29 0:35 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w'],
  'NFS 4.2': [
    'network',
    '50 29 0:50 / /mnt rw - nfs4 nas:/home rw,vers=4.2,hard,proto=tcp,local_lock=none,addr=10.0.0.1',
  ],
  'NFS 3': ['network', '51 29 0:51 / /mnt rw - nfs nas:/home rw,vers=3,mountproto=udp,local_lock=none'],
  'NFS 3 with local fcntl locks only': ['network', '51 29 0:51 / /mnt rw - nfs nas:/home rw,vers=3,local_lock=posix'],
  'NFS 3 with nolock': ['broken', '52 29 0:52 / /mnt rw - nfs nas:/home rw,vers=3,nolock,local_lock=none'],
  'NFS with local_lock=flock': ['broken', '53 29 0:53 / /mnt rw - nfs nas:/home rw,vers=3,local_lock=flock'],
  'NFS with local_lock=all': ['broken', '54 29 0:54 / /mnt rw - nfs4 nas:/home rw,vers=4.0,local_lock=all'],
  CIFS: ['network', '55 29 0:55 / /mnt rw - cifs //nas/home rw,vers=3.0,cache=strict'],
  'CIFS with nobrl': ['broken', '56 29 0:56 / /mnt rw - cifs //nas/home rw,vers=3.0,nobrl'],
  CephFS: ['network', '57 29 0:57 / /mnt rw - ceph 10.0.0.1:6789:/ rw,acl'],
  SSHFS: ['unsure', '58 29 0:58 / /mnt rw - fuse.sshfs user@host:/ rw,user_id=0'],
  'ntfs-3g': ['unsure', '59 29 8:3 / /mnt rw - fuseblk /dev/sda3 rw,user_id=0'],
  virtiofs: ['unsure', '60 29 0:60 / /mnt rw - virtiofs share rw'],
  'QEMU 9p': ['unsure', '61 29 0:61 / /mnt rw - 9p share rw,trans=virtio,version=9p2000.L'],
  'drives of Windows under WSL 2': ['unsure', '62 29 0:62 / /mnt/c rw - 9p C:\\134 rw,aname=drvfs;path=C:\\;uid=1000'],
  'drives of Windows under WSL 1': ['unsure', '63 29 0:63 / /mnt/c rw - drvfs C:\\134 rw,uid=1000'],
  VirtualBox: ['unsure', '64 29 0:64 / /mnt rw - vboxsf share rw'],
  'a folder of the Mac under Docker Desktop': ['broken', '65 29 0:65 / /app rw - fakeowner /run/host_mark/Users rw'],
  'a filesystem nobody has heard of': ['unsure', '66 29 0:66 / /mnt rw - futurefs none rw'],
}

function only(table: string): Mount {
  const [mount, ...more] = parseMountinfo(table)
  expect(more).toEqual([])
  if (mount === undefined) throw new Error('no mount')
  return mount
}

describe('a kind of filesystem', () => {
  test.each(Object.entries(LINES))('%s', (_, [kind, line]) => {
    const filesystem = classify(only(line))
    expect(filesystem.kind).toBe(kind)
    expect(filesystem.distant).toBe(kind !== 'local')
  })

  test.each(['nolock', 'local_lock=flock', 'local_lock=all'])('a refusal for NFS names %s', (option) => {
    expect(classify(only(`1 1 0:1 / /mnt rw - nfs nas:/ rw,${option}`)).reason).toContain(`with ${option}:`)
  })

  test('an option of the mount point counts like one of the filesystem', () => {
    expect(classify(only('1 1 0:1 / /mnt rw,nolock - nfs nas:/ rw')).kind).toBe('broken')
  })

  test('an option is not found inside another one', () => {
    expect(classify(only('1 1 0:1 / /mnt rw - nfs nas:/ rw,nolocking,fsc=nolock')).kind).toBe('network')
  })
})

describe('a mount table', () => {
  const table = [
    '1 0 8:1 / / rw - ext4 /dev/sda rw',
    '2 1 0:2 / /data rw shared:1 master:2 - nfs nas:/data rw',
    '3 2 0:3 / /data/a\\040b rw - tmpfs tmpfs rw',
    '4 1 0:4 / /twice rw - ext4 /dev/sdb rw',
    '5 1 0:5 / /twice rw - cifs //nas/twice rw',
    'what is this line?',
    '',
  ].join('\n')
  const mounts = parseMountinfo(table)
  const typeAt = (path: string) => mountAt(mounts, path, '/')?.type

  test('says the innermost mount of a path', () => {
    expect(typeAt('/')).toBe('ext4')
    expect(typeAt('/data')).toBe('nfs')
    expect(typeAt('/data/x/y')).toBe('nfs')
  })

  test('does not take a name that begins alike for the same folder', () => {
    expect(typeAt('/database')).toBe('ext4')
  })

  test('knows blanks in names', () => {
    expect(typeAt('/data/a b/c')).toBe('tmpfs')
  })

  test('says the last of several mounts in one place', () => {
    expect(typeAt('/twice/x')).toBe('cifs')
  })

  test('is not put off by lines it does not understand', () => {
    expect(mounts).toHaveLength(5)
    expect(parseMountinfo('')).toEqual([])
  })
})

describe("Windows' drives and shares", () => {
  const drives: Mount[] = [
    { point: 'C:\\', type: 'local', source: 'C:\\', options: [] },
    { point: 'Z:\\', type: 'remote', source: 'Z:\\', options: [] },
  ]
  test.each<[string, FilesystemKind | undefined]>([
    ['C:\\Users\\me', 'local'],
    ['c:\\users\\me', 'local'],
    ['Z:\\share', 'network'],
    ['\\\\server\\share\\folder', 'network'],
    ['\\\\?\\UNC\\server\\share\\folder', 'network'],
    ['\\\\?\\C:\\Users', 'local'],
    ['\\\\.\\Z:\\share', 'network'],
    ['\\\\wsl$\\Debian\\home', 'unsure'],
    ['\\\\wsl.localhost\\Debian\\home', 'unsure'],
    ['\\\\?\\Volume{0b5bd6a2-0000-0000-0000-100000000000}\\folder', 'local'],
    ['Q:\\nothing', undefined],
  ])('%s', (path, kind) => {
    const mount = windowsMountAt(drives, path)
    expect(mount === undefined ? undefined : classify(mount).kind).toBe(kind)
  })
})

/** A table in which some folders lie on something else, and a count of what was asked of which folder. */
function world(points: Record<string, string> = {}) {
  const asked: string[] = []
  const lines = ['1 0 8:1 / / rw - ext4 /dev/sda rw']
  for (const [point, rest] of Object.entries(points)) lines.push(`2 1 0:2 / ${point} rw - ${rest}`)
  let mounts = parseMountinfo(lines.join('\n'))
  let readings = 0
  const links = new Map<string, boolean>()
  const filesystems = new Filesystems({
    mounts: () => {
      readings++
      return (path) => mountAt(mounts, path, '/')
    },
    isLink: (path) => {
      asked.push(path)
      return links.get(path) ?? false
    },
  })
  return {
    filesystems,
    asked,
    links,
    readings: () => readings,
    mount: (line: string) => void (mounts = [...mounts, ...parseMountinfo(line)]),
  }
}

describe.skipIf(missing(posix))('the way to a folder', () => {
  test('is looked at only as far as filesystems answer', () => {
    const folder = scratch()
    const { filesystems, asked } = world({ [`${folder}/nas`]: 'nfs nas:/ rw' })
    expect(filesystems.of(`${folder}/nas/deep/er/file`).type).toBe('nfs')
    expect(asked).toContain(folder)
    expect(asked.filter((path) => path.startsWith(`${folder}/nas`))).toEqual([])
  })

  test('may lead over one that does not answer to a local one, which then is asked aside too', () => {
    const folder = scratch()
    const { filesystems } = world({ [`${folder}/nas`]: 'nfs nas:/ rw', [`${folder}/nas/tmp`]: 'tmpfs tmpfs rw' })
    expect(filesystems.of(`${folder}/nas/tmp/file`)).toMatchObject({ type: 'tmpfs', kind: 'local', distant: true })
  })

  test('leads through a symlink to another filesystem, which is not asked either', () => {
    const folder = scratch()
    const { filesystems, asked, links } = world({ [`${folder}/nas`]: 'nfs nas:/ rw,nolock' })
    symlinkSync(`${folder}/nas/sessions`, `${folder}/here`)
    links.set(`${folder}/here`, true)
    expect(filesystems.of(`${folder}/here/file`).kind).toBe('broken')
    expect(asked.filter((path) => path.startsWith(`${folder}/nas`))).toEqual([])
  })

  test('follows a relative link, and goes up from where that really is', () => {
    const folder = scratch()
    mkdirSync(join(folder, 'a'))
    const { filesystems, links } = world({ [`${folder}/nas`]: 'nfs nas:/ rw' })
    symlinkSync('../nas', `${folder}/a/link`)
    links.set(`${folder}/a/link`, true)
    expect(filesystems.of(`${folder}/a/link/file`).type).toBe('nfs')
    expect(filesystems.of(`${folder}/a/x/../link/file`).type).toBe('nfs')
  })

  test('ends in a circle of links where it is, without end', () => {
    const folder = scratch()
    const { filesystems, links } = world()
    symlinkSync('loop', `${folder}/loop`)
    links.set(`${folder}/loop`, true)
    expect(filesystems.of(`${folder}/loop/file`).kind).toBe('local')
  })

  test('is found once for each folder', () => {
    const { filesystems, readings } = world()
    const folder = scratch()
    for (let i = 0; i < 5; i++) filesystems.of(`${folder}/file-${i}`)
    expect(readings()).toBe(1)
  })

  test('is found anew when asked for, so that a later mount is seen', () => {
    const folder = scratch()
    const { filesystems, mount } = world()
    expect(filesystems.of(`${folder}/file`).kind).toBe('local')
    mount(`9 1 0:9 / ${folder} rw - nfs nas:/ rw`)
    expect(filesystems.of(`${folder}/file`).kind).toBe('local')
    expect(filesystems.ofNow(`${folder}/file`).kind).toBe('network')
    expect(filesystems.of(`${folder}/file`).kind).toBe('network')
  })

  test('is not remembered where an automounter may put something', () => {
    const folder = scratch()
    const { filesystems, mount } = world({ [folder]: 'autofs systemd-1 rw' })
    expect(filesystems.of(`${folder}/home/file`).type).toBe('autofs')
    mount(`9 2 0:9 / ${folder}/home rw - nfs nas:/ rw,nolock`)
    for (const name of ['file', 'other']) expect(filesystems.of(`${folder}/home/${name}`).kind).toBe('broken')
  })

  test('is unsure, and not asked, where the system tells of no mounts', () => {
    const asked: string[] = []
    const filesystems = new Filesystems({
      mounts: () => {
        throw new Error('there is no /proc')
      },
      isLink: (path) => asked.push(path) > 0,
    })
    expect(filesystems.of('/somewhere/file')).toMatchObject({ kind: 'unsure', distant: true, type: 'unknown' })
    expect(asked).toEqual([])
  })
})

describe('admission', () => {
  const admit = (line: string, strict: boolean) => () => {
    const file = { target: '/mnt/data', lockfile: '/mnt/data.hold', filesystem: classify(only(line)) }
    world().filesystems.admit({ ...file, unfollowed: false, strict })
  }

  test.each(['NFS 3 with nolock', 'NFS with local_lock=flock', 'CIFS with nobrl'])(
    'refuses %s, strict or not',
    (name) => {
      const line = LINES[name]?.[1] ?? ''
      for (const strict of [false, true]) {
        expect(admit(line, strict)).toThrow(LockError)
        expect(admit(line, strict)).toThrow(
          expect.objectContaining({ code: 'ERR_LOCK_UNSUPPORTED', path: '/mnt/data', lockfile: '/mnt/data.hold' }),
        )
      }
    },
  )

  test('refuses an unsure one only if strict', () => {
    const line = LINES['SSHFS']?.[1] ?? ''
    expect(admit(line, true)).toThrow(/fuse\.sshfs \(user@host:\/ at \/mnt\)/)
  })

  test('lets a local one and one with locks on a server pass, strict or not', () => {
    for (const name of ['xfs', 'NFS 4.2']) {
      for (const strict of [false, true]) expect(admit(LINES[name]?.[1] ?? '', strict)).not.toThrow()
    }
  })
})
