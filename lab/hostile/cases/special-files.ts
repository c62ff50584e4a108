// What is no regular file: it must be refused without waiting for it, and without doing anything to it.
import type { Case } from '../case.js'
import { devices, otherUsers } from '../users.js'

/** Files of the system that `lockfile` may name, and how each is refused. */
const NAMED: readonly (readonly [string, Case['expect']])[] = [
  ['/dev/zero', 'EFTYPE'],
  ['/dev/null', 'EFTYPE'],
  ['/dev/full', 'EFTYPE'],
  ['/dev/random', 'EFTYPE'],
  ['/dev/fd/0', 'ELOOP'],
  ['/dev/stdin', 'ELOOP'],
  ['/proc/self/fd/0', 'ELOOP'],
  ['/proc/self/exe', 'ELOOP'],
  ['/proc/self/cwd', 'ELOOP'],
  ['/proc', 'EISDIR'],
  ['/', 'EISDIR'],
]

const DEVICES: readonly (readonly [string, 'c' | 'b', number, number, string])[] = [
  ['the null device', 'c', 1, 3, 'EFTYPE'],
  ['the device of zeros', 'c', 1, 5, 'EFTYPE'],
  ['the terminal', 'c', 5, 0, 'ENXIO'],
  ['the memory of the kernel', 'c', 1, 2, 'ENXIO'],
  ['a character device without a driver', 'c', 240, 17, 'ENXIO'],
  ['a block device without a driver', 'b', 240, 17, 'ENXIO'],
]

export const SPECIAL_FILES: readonly Case[] = [
  {
    name: 'the lock file is a FIFO',
    plant: (arena) => arena.foreignFifo(arena.lockfile),
    expect: 'EFTYPE',
  },
  {
    name: 'the lock file is a FIFO that nobody may open',
    plant: (arena) => arena.foreignFifo(arena.lockfile, 0),
    expect: { root: 'EFTYPE', nobody: 'EACCES' },
  },
  {
    name: 'the lock file is a FIFO that may only be read',
    plant: (arena) => arena.foreignFifo(arena.lockfile, 0o444),
    expect: 'EFTYPE',
  },
  {
    name: '`lockfile` names a FIFO',
    plant: (arena) => arena.foreignFifo(arena.in('fifo')),
    options: (arena) => ({ lockfile: arena.in('fifo') }),
    expect: 'EFTYPE',
  },
  {
    name: 'the lock file is a socket',
    plant: (arena) => arena.foreignSocket(arena.lockfile),
    expect: 'ENXIO',
  },
  {
    name: 'the lock file is an empty folder',
    plant: (arena) => arena.foreignFolder(arena.lockfile),
    expect: 'EISDIR',
  },
  {
    name: 'the lock file is a folder with something in it',
    plant(arena) {
      arena.foreignFolder(arena.lockfile, 0o777)
      arena.foreign(`${arena.lockfile}/inside`, 0o666)
    },
    expect: 'EISDIR',
  },
  {
    name: 'the lock file is a folder that nobody may enter',
    needs: [otherUsers],
    plant: (arena) => arena.foreignFolder(arena.lockfile, 0),
    expect: 'EISDIR',
  },
  {
    name: '`lockfile` names the folder, with a slash at its end',
    options: (arena) => ({ lockfile: `${arena.folder}/` }),
    expect: 'EISDIR',
  },
  ...DEVICES.map(([what, kind, major, minor, expect]): Case => ({
    name: `the lock file is ${what}`,
    needs: [devices],
    plant: (arena) => arena.device(arena.lockfile, kind, major, minor),
    expect,
  })),
  ...NAMED.map(([lockfile, expect]): Case => ({
    name: `\`lockfile\` names ${lockfile}`,
    options: () => ({ lockfile }),
    expect,
  })),
  {
    name: '`lockfile` names the memory of the process: locked as the file that it is, and not written to',
    act: async ({ victim, arena, note }) => {
      const ended = await victim.ask('lock', 'tryAcquire', arena.target, { lockfile: '/proc/self/mem' })
      if (ended.key !== null) await victim.ask('letGo', ended.key)
      return note(ended)
    },
    appears: [],
    expect: 'lock without record',
  },
  {
    name: 'the target is a FIFO: nobody opens it',
    plant: (arena) => arena.foreignFifo(arena.target),
    expect: 'lock',
  },
  {
    name: 'the target is a folder',
    plant: (arena) => arena.foreignFolder(arena.target),
    expect: 'lock',
  },
  {
    name: 'the target is a device',
    needs: [devices],
    plant: (arena) => arena.device(arena.target, 'c', 1, 5),
    expect: 'lock',
  },
]
