// Symbolic links where the lock file should be, on the way to it, and as the target.
import { join } from 'node:path'

import type { Case } from '../case.js'
import { otherUsers } from '../users.js'

/** Where a planted lock file leads, of those that are refused. */
const DESTINATIONS: readonly (readonly [string, string])[] = [
  ['a file with data', '../outside/public'],
  ['an empty file that everybody may write to', '../outside/empty'],
  ['an empty file of root', '../outside/private'],
  ['nowhere', '../outside/nowhere'],
  ['nowhere in a folder that everybody may write to', '../outside/folder/nowhere'],
  ['itself', 'data.hold'],
  ['a folder', '../outside/folder'],
  ['/dev/zero', '/dev/zero'],
  ['/dev/null', '/dev/null'],
  ['the memory of whoever opens it', '/proc/self/mem'],
  ['a descriptor of whoever opens it', '/proc/self/fd/0'],
  ['the lock file of another target', 'other.hold'],
]

export const LINKS: readonly Case[] = [
  ...DESTINATIONS.map(([what, destination]): Case => ({
    name: `the lock file is a symlink to ${what}`,
    plant(arena) {
      arena.foreignLink(arena.lockfile, destination)
      arena.foreign(arena.in('other.hold'), 0o666)
    },
    expect: 'ELOOP',
  })),
  {
    name: 'the lock file is a symlink by an absolute path',
    plant: (arena) => arena.foreignLink(arena.lockfile, arena.out('empty')),
    expect: 'ELOOP',
  },
  {
    name: 'the lock file is a symlink to a symlink',
    plant(arena) {
      arena.foreignLink(arena.in('second'), arena.out('empty'))
      arena.foreignLink(arena.lockfile, 'second')
    },
    expect: 'ELOOP',
  },
  {
    name: 'the lock file is a symlink of our own to a file of our own',
    plant(arena) {
      arena.ours(arena.in('kept'), 0o666)
      arena.ourLink(arena.lockfile, 'kept')
    },
    expect: 'ELOOP',
  },
  {
    name: '`lockfile` names a symlink to a file',
    plant: (arena) => arena.foreignLink(arena.in('link'), arena.out('empty')),
    options: (arena) => ({ lockfile: arena.in('link') }),
    expect: 'ELOOP',
  },
  {
    name: '`lockfile` names a dangling symlink',
    plant: (arena) => arena.foreignLink(arena.in('link'), arena.out('folder/nowhere')),
    options: (arena) => ({ lockfile: arena.in('link') }),
    expect: 'ELOOP',
  },
  {
    // As SECURITY.md says: folders are followed as every other program follows them.
    name: 'the folder is a symlink to another folder: followed, and only the lock file is made',
    plant: (arena) => arena.foreignLink(arena.in('way'), arena.out('folder')),
    act: ({ arena, everyWay }) => everyWay(arena.in('way/data')),
    appears: ['outside/folder/data.hold'],
    expect: 'lock',
  },
  {
    name: 'the folder is a symlink to itself',
    plant: (arena) => arena.foreignLink(arena.in('way'), 'way'),
    act: ({ arena, everyWay }) => everyWay(arena.in('way/data')),
    expect: 'ELOOP',
  },
  {
    name: 'the folder is a symlink to nowhere',
    plant: (arena) => arena.foreignLink(arena.in('way'), '../outside/nowhere'),
    act: ({ arena, everyWay }) => everyWay(arena.in('way/data')),
    expect: 'ENOENT',
  },
  {
    name: 'the folder is a symlink to a file',
    plant: (arena) => arena.foreignLink(arena.in('way'), '../outside/public'),
    act: ({ arena, everyWay }) => everyWay(arena.in('way/data')),
    expect: 'ENOTDIR',
  },
  {
    name: 'the folder is a symlink to a folder with a planted symlink',
    plant(arena) {
      arena.foreignFolder(arena.in('real'), 0o777)
      arena.foreignLink(arena.in('real/data.hold'), arena.out('empty'))
      arena.foreignLink(arena.in('way'), 'real')
    },
    act: ({ arena, everyWay }) => everyWay(arena.in('way/data')),
    expect: 'ELOOP',
  },
  {
    name: 'the path goes up from a symlinked folder to a planted symlink',
    plant(arena) {
      arena.foreignFolder(arena.in('real'), 0o777)
      arena.foreignFolder(arena.in('real/deep'), 0o777)
      arena.foreignLink(arena.in('real/data.hold'), arena.out('empty'))
      arena.foreignLink(arena.in('way'), 'real/deep')
    },
    act: ({ arena, everyWay }) => everyWay(`${arena.in('way')}/../data`),
    expect: 'ELOOP',
  },
  {
    name: 'the target is a symlink to itself',
    plant: (arena) => arena.ourLink(arena.target, 'data'),
    expect: 'ELOOP',
  },
  {
    name: 'the target is a symlink into a folder that is not there',
    plant: (arena) => arena.ourLink(arena.target, '../outside/nowhere/file'),
    expect: 'ENOENT',
  },
  {
    name: 'the target is a symlink to a FIFO: nobody opens it',
    plant(arena) {
      arena.foreignFifo(arena.in('fifo'))
      arena.ownersLink(arena.target, 'fifo')
    },
    appears: ['shared/fifo.hold'],
    expect: 'lock',
  },
  {
    name: 'the target is a symlink to a target whose lock file is a planted symlink',
    plant(arena) {
      arena.foreignLink(arena.in('other.hold'), arena.out('empty'))
      arena.ourLink(arena.target, 'other')
    },
    expect: 'ELOOP',
  },
  {
    name: 'the target is a symlink to a file of another folder: followed, and only the lock file is made',
    plant: (arena) => arena.ownersLink(arena.target, arena.out('folder/theirs')),
    appears: ['outside/folder/theirs.hold'],
    expect: 'lock',
  },
  {
    name: 'the target is a symlink to a file whose folder only root may write to: the same',
    plant: (arena) => arena.ourLink(arena.target, arena.out('secret')),
    appears: ['outside/secret.hold'],
    expect: { root: 'lock', nobody: 'EACCES' },
  },
  // As the kernel does with fs.protected_symlinks: who may not put a lock file there must not make others do it.
  ...['folder/theirs', 'secret', 'nowhere/file'].map((destination): Case => ({
    name: `the target is a symlink of another user to outside/${destination}: not followed`,
    needs: [otherUsers],
    plant: (arena) => arena.foreignLink(arena.target, arena.out(destination)),
    expect: 'EACCES',
  })),
  {
    name: 'the target is a symlink of our own to one of another user: not followed',
    needs: [otherUsers],
    plant(arena) {
      arena.foreignLink(arena.in('second'), arena.out('folder/theirs'))
      arena.ourLink(arena.target, 'second')
    },
    expect: 'EACCES',
  },
  {
    name: 'the target is a symlink of the owner of a folder that everybody may write to: followed',
    plant: (arena) => arena.foreignLink(join(arena.theirs, 'data'), arena.out('folder/theirs')),
    act: ({ arena, everyWay }) => everyWay(join(arena.theirs, 'data')),
    appears: ['outside/folder/theirs.hold'],
    expect: 'lock',
  },
  {
    name: 'the target is a symlink of another user in a folder of his: followed',
    plant(arena) {
      arena.foreignFolder(arena.in('own'))
      arena.foreignLink(arena.in('own/data'), arena.out('folder/theirs'))
    },
    act: ({ arena, everyWay }) => everyWay(arena.in('own/data')),
    appears: ['outside/folder/theirs.hold'],
    expect: 'lock',
  },
]
