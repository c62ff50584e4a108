// What a mount table says of a lock file's filesystem. Tables as the systems write them; the folders are real.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { LockError } from '../../src/index.js'
import { classify, type FilesystemKind } from '../../src/kernel/filesystem.js'
import { Filesystems } from '../../src/kernel/filesystems.js'
import { linuxMounts, parseMountinfo, windowsMountAt, type Mount } from '../../src/kernel/mount-table.js'
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
    '5 4 0:5 / /twice rw - cifs //nas/twice rw',
    'what is this line?',
    '',
  ].join('\n')
  const list = linuxMounts(table)
  const typeAt = (path: string) => list.at(path)?.type

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

  test('does not say one that a later mount hides', () => {
    const hiding = linuxMounts(`${table}\n6 1 0:6 / /data rw - fuse.sshfs host:/ rw`)
    expect(hiding.at('/data/a b/c')?.type).toBe('fuse.sshfs')
  })

  test('knows what lies where the root is not a mount', () => {
    const chroot = linuxMounts('7 2 0:7 / /proc rw - proc proc rw')
    expect(chroot.at('/proc/self')?.type).toBe('proc')
    expect(chroot.at('/srv')).toBeUndefined()
  })

  test('is not put off by lines it does not understand', () => {
    expect(list.mounts).toHaveLength(5)
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
  const links = new Map<string, string>()
  let lines = ['1 0 8:1 / / rw - ext4 /dev/sda rw']
  let time = 0
  let readings = 0
  let changes = 0
  const mount = (point: string, rest: string): void => {
    const parent = linuxMounts(lines.join('\n')).at(point)?.id ?? 0
    lines = [...lines, `${lines.length + 1} ${parent} 0:2 / ${point} rw - ${rest}`]
  }
  for (const [point, rest] of Object.entries(points)) mount(point, rest)
  const filesystems = new Filesystems({
    mounts: () => {
      readings++
      return linuxMounts(lines.join('\n'))
    },
    link: (path) => {
      asked.push(path)
      return links.get(path) ?? null
    },
    now: () => time,
    changed: () => changes++,
  })
  return {
    filesystems,
    asked,
    links,
    mount,
    readings: () => readings,
    changes: () => changes,
    pass: (milliseconds: number) => (time += milliseconds),
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
    links.set(`${folder}/here`, `${folder}/nas/sessions`)
    expect(filesystems.of(`${folder}/here/file`).kind).toBe('broken')
    expect(asked.filter((path) => path.startsWith(`${folder}/nas`))).toEqual([])
  })

  test('follows a relative link, and goes up from where that really is', () => {
    const folder = scratch()
    mkdirSync(join(folder, 'a'))
    const { filesystems, links } = world({ [`${folder}/nas`]: 'nfs nas:/ rw' })
    links.set(`${folder}/a/link`, '../nas')
    expect(filesystems.of(`${folder}/a/link/file`).type).toBe('nfs')
    expect(filesystems.of(`${folder}/a/x/../link/file`).type).toBe('nfs')
  })

  test('ends in a circle of links where it is, without end', () => {
    const folder = scratch()
    const { filesystems, links } = world()
    links.set(`${folder}/loop`, 'loop')
    expect(filesystems.of(`${folder}/loop/file`).kind).toBe('local')
  })

  test('is found once for each folder', () => {
    const { filesystems, readings } = world()
    const folder = scratch()
    filesystems.of(`${folder}/file`)
    const before = readings()
    for (let i = 0; i < 5; i++) filesystems.of(`${folder}/file-${i}`)
    expect(readings()).toBe(before)
  })

  test('is found anew when the list of mounts has changed, which is seen after a second', () => {
    const folder = scratch()
    const { filesystems, mount, pass, changes } = world()
    expect(filesystems.of(`${folder}/file`).kind).toBe('local')
    expect(changes()).toBe(1)
    mount(folder, 'nfs nas:/ rw,nolock')
    pass(999)
    expect(filesystems.of(`${folder}/file`).kind).toBe('local')
    pass(1)
    expect(filesystems.of(`${folder}/file`).kind).toBe('broken')
    expect(changes()).toBe(2)
    pass(1000)
    expect(filesystems.of(`${folder}/file`).kind).toBe('broken')
    expect(changes()).toBe(2)
  })

  test('is found anew when asked for', () => {
    const folder = scratch()
    const { filesystems, mount } = world()
    expect(filesystems.of(`${folder}/file`).kind).toBe('local')
    mount(folder, 'nfs nas:/ rw')
    expect(filesystems.ofNow(`${folder}/file`).kind).toBe('network')
    expect(filesystems.of(`${folder}/file`).kind).toBe('network')
  })

  test('tells a place where something distant is mounted, which must not be looked at', () => {
    const folder = scratch()
    const { filesystems } = world({ [`${folder}/nas`]: 'nfs nas:/ rw', [`${folder}/disk`]: 'ext4 /dev/sdb rw' })
    expect(filesystems.of(`${folder}/nas`).kind).toBe('local')
    expect(filesystems.isMountPoint(`${folder}/nas`)).toBe(true)
    expect(filesystems.isMountPoint(`${folder}/disk`)).toBe(false)
  })

  test('is unsure, and not asked, where the system tells of no mounts', () => {
    const asked: string[] = []
    const filesystems = new Filesystems({
      mounts: () => {
        throw new Error('there is no /proc')
      },
      link: (path) => String(asked.push(path)),
      now: () => 0,
      changed: () => {},
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
