// Folders that cannot be entered, written to or filled, and what the process withholds.
import { renameSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Case } from '../case.js'
import { flags, mounts, otherUsers } from '../users.js'

/** The lock of a target in a folder of the attacker. */
function inFolder(what: string, mode: number, expect: Case['expect']): Case {
  return {
    name: `a folder of another user ${what}`,
    needs: [otherUsers],
    plant: (arena) => arena.foreignFolder(arena.in('folder'), mode),
    act: ({ arena, everyWay }) => everyWay(arena.in('folder/data')),
    appears: ['shared/folder/data.hold'],
    expect,
  }
}

function withUmask(mask: number): Case {
  return {
    name: `a process whose umask is ${mask.toString(8)}`,
    async act({ arena, victim, everyWay }) {
      const before = await victim.ask('umask', mask)
      try {
        return await everyWay(arena.target)
      } finally {
        await victim.ask('umask', before)
      }
    },
    expect: 'lock',
  }
}

export const FOLDERS: readonly Case[] = [
  inFolder('that nobody may enter', 0, { root: 'lock', nobody: 'EACCES' }),
  inFolder('that may only be entered', 0o711, { root: 'lock', nobody: 'EACCES' }),
  inFolder('that may only be listed', 0o744, { root: 'lock', nobody: 'EACCES' }),
  inFolder('that may be read', 0o755, { root: 'lock', nobody: 'EACCES' }),
  inFolder('that may be written to but not listed', 0o733, 'lock'),
  inFolder('with a group that all in it get', 0o2777, 'lock'),
  inFolder('with every bit that a mode can have', 0o7777, 'lock'),
  withUmask(0),
  withUmask(0o777),
  {
    name: 'the folder is a file',
    plant: (arena) => arena.foreign(arena.in('file'), 0o777, 'data'),
    act: ({ arena, everyWay }) => everyWay(arena.in('file/data')),
    expect: 'ENOTDIR',
  },
  {
    name: 'the folder is a FIFO',
    plant: (arena) => arena.foreignFifo(arena.in('fifo')),
    act: ({ arena, everyWay }) => everyWay(arena.in('fifo/data')),
    expect: 'ENOTDIR',
  },
  {
    name: 'the folder is missing',
    act: ({ arena, everyWay }) => everyWay(arena.in('missing/data')),
    expect: 'ENOENT',
  },
  {
    name: 'a relative path in a folder that was deleted',
    async act({ arena, victim, everyWay }) {
      arena.ourFolder(arena.in('gone'), 0o777)
      await victim.ask('chdir', arena.in('gone'))
      rmdirSync(arena.in('gone'))
      try {
        return await everyWay('data')
      } finally {
        await victim.ask('chdir', '/')
      }
    },
    appears: [/^shared$/],
    changes: ['shared'],
    expect: 'ENOENT',
  },
  {
    name: 'a lock file that cannot be changed',
    needs: [flags],
    plant(arena) {
      arena.foreign(arena.lockfile, 0o666)
      arena.flag(arena.lockfile, 'i')
    },
    expect: 'lock without record',
  },
  {
    name: 'a lock file to which can only be appended',
    needs: [flags],
    plant(arena) {
      arena.foreign(arena.lockfile, 0o666)
      arena.flag(arena.lockfile, 'a')
    },
    expect: 'lock without record',
  },
  {
    name: 'a folder that cannot be changed',
    needs: [flags],
    plant(arena) {
      arena.foreignFolder(arena.in('folder'), 0o777)
      arena.flag(arena.in('folder'), 'i')
    },
    act: ({ arena, everyWay }) => everyWay(arena.in('folder/data')),
    expect: 'EPERM',
  },
  {
    name: 'a filesystem that is full',
    needs: [mounts],
    plant(arena) {
      arena.mount(arena.in('disk'), 'size=64k,mode=1777')
      try {
        writeFileSync(arena.in('disk/filler'), Buffer.alloc(1 << 20))
      } catch {
        // as far as there is room
      }
    },
    act: ({ arena, everyWay }) => everyWay(arena.in('disk/data')),
    appears: ['shared/disk/data.hold'],
    expect: 'lock without record',
  },
  {
    name: 'a filesystem without room for another file',
    needs: [mounts],
    plant: (arena) => arena.mount(arena.in('disk'), 'size=64k,nr_inodes=1,mode=1777'),
    act: ({ arena, everyWay }) => everyWay(arena.in('disk/data')),
    expect: 'ENOSPC',
  },
  {
    name: 'a filesystem that may only be read',
    needs: [mounts],
    plant: (arena) => arena.mount(arena.in('disk'), 'ro,size=64k,mode=1777'),
    act: ({ arena, everyWay }) => everyWay(arena.in('disk/data')),
    expect: 'EROFS',
  },
  {
    name: 'the folder becomes a symlink to another one while the lock is held: it is lost, and the next is of the other',
    plant: (arena) => arena.ourFolder(arena.in('folder'), 0o777),
    async act({ arena, victim, note, everyWay }) {
      const path = arena.in('folder/data')
      const { key } = await victim.ask('lock', 'acquire', path)
      renameSync(arena.in('folder'), arena.in('moved'))
      symlinkSync(arena.out('folder'), arena.in('folder'))
      const held = note(await victim.ask('assertHeld', key ?? 0))
      const next = await everyWay(path)
      await victim.ask('letGo', key ?? 0)
      return `${held}, then ${next}`
    },
    appears: [/^shared\/(folder|moved)/, 'outside/folder/data.hold'],
    expect: 'lost, then lock',
  },
  {
    name: 'the lock file becomes a symlink while the lock is held: it is lost, and the ending is written to no other file',
    async act({ arena, victim, note, everyWay }) {
      arena.foreign(arena.lockfile, 0o666)
      const { key } = await victim.ask('lock', 'acquire', arena.target)
      renameSync(arena.lockfile, `${arena.lockfile}-away`)
      arena.foreignLink(arena.lockfile, join('..', 'outside', 'empty'))
      const held = note(await victim.ask('assertHeld', key ?? 0))
      const next = await everyWay(arena.target)
      await victim.ask('letGo', key ?? 0)
      return `${held}, then ${next}`
    },
    appears: [/^shared\/data\.hold/],
    expect: 'lost, then ELOOP',
  },
  {
    name: 'the lock file becomes a symlink to the very file that is locked: it is lost, for nobody else would follow that',
    async act({ arena, victim, note, everyWay }) {
      arena.foreign(arena.lockfile, 0o666)
      const { key } = await victim.ask('lock', 'acquire', arena.target)
      renameSync(arena.lockfile, `${arena.lockfile}-away`)
      arena.foreignLink(arena.lockfile, 'data.hold-away')
      const held = note(await victim.ask('assertHeld', key ?? 0))
      const next = await everyWay(arena.target)
      await victim.ask('letGo', key ?? 0)
      return `${held}, then ${next}`
    },
    appears: [/^shared\/data\.hold/],
    expect: 'lost, then ELOOP',
  },
  {
    name: 'the lock file becomes data while the lock is held: its ending is not written into that',
    async act({ arena, victim, note }) {
      arena.foreign(arena.lockfile, 0o666)
      const ended = await victim.ask('lock', 'acquire', arena.target)
      writeFileSync(arena.lockfile, 'data '.repeat(1000))
      await victim.ask('letGo', ended.key ?? 0)
      arena.expectContent(arena.lockfile, 'data '.repeat(1000))
      return note(ended)
    },
    appears: ['shared/data.hold'],
    expect: 'lock',
  },
]
