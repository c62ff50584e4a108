// The lock of session files as gateways know it: it makes and reads the lock files of old gateways too.
import type { Arena } from '../arena.js'
import type { Case } from '../case.js'
import { leases, otherUsers } from '../users.js'

const SESSION = 's.jsonl'

const PLANTED: readonly (readonly [string, (arena: Arena, path: string) => void | Promise<void>])[] = [
  ['a FIFO', (arena, path) => arena.foreignFifo(path)],
  ['a folder', (arena, path) => arena.foreignFolder(path)],
  ['a socket', (arena, path) => arena.foreignSocket(path)],
  ['a symlink to a file', (arena, path) => arena.foreignLink(path, arena.out('public'))],
  ['a dangling symlink', (arena, path) => arena.foreignLink(path, arena.out('folder/nowhere'))],
  ['a symlink to itself', (arena, path) => arena.foreignLink(path, path)],
  ['a symlink to /dev/zero', (arena, path) => arena.foreignLink(path, '/dev/zero')],
  ['a file of three mebibytes', (arena, path) => arena.foreign(path, 0o666, Buffer.alloc(3 << 20, '{'))],
]

export const GATEWAYS: readonly Case[] = [
  ...PLANTED.map(([what, plant]): Case => ({
    name: `the lock file of an old gateway is ${what}: waited for, and left alone`,
    plant: (arena) => plant(arena, arena.in(`${SESSION}.lock`)),
    async act({ arena, victim, note }) {
      const locked = note(await victim.ask('sessionLock', arena.in(SESSION)))
      return `${locked}, ${note(await victim.ask('clean', arena.folder))}`
    },
    appears: [`shared/${SESSION}.hold`],
    expect: 'busy, nothing',
  })),
  ...PLANTED.slice(0, -1).map(([what, plant]): Case => ({
    name: `the lock file of a session is ${what}: refused, and warned of at the start of a gateway`,
    plant: (arena) => plant(arena, arena.in(`${SESSION}.hold`)),
    async act({ arena, victim, note }) {
      const locked = note(await victim.ask('sessionLock', arena.in(SESSION)))
      const refused = /^E(LOOP|ISDIR|FTYPE|NXIO)$/.test(locked) ? 'refused' : locked
      return `${refused}, ${note(await victim.ask('clean', arena.folder))}`
    },
    expect: 'refused, a warning',
  })),
  {
    name: 'somebody has a lease on the lock file of an old gateway: waited for no longer than was asked, and left alone',
    needs: [leases],
    plant: (arena) => arena.foreign(arena.in(`${SESSION}.lock`), 0o666, '{}'),
    async act({ arena, victim, attacker, note }) {
      await attacker.ask('lease', arena.in(`${SESSION}.lock`))
      const locked = note(await victim.ask('sessionLock', arena.in(SESSION)))
      return `${locked}, ${note(await victim.ask('clean', arena.folder))}`
    },
    appears: [`shared/${SESSION}.hold`],
    expect: 'busy, nothing',
  },
  {
    name: 'a session in a folder that cannot be made: refused, and its message is safe to print',
    needs: [otherUsers],
    plant: (arena) => arena.foreignFolder(arena.in('\x1b[31m\n')),
    act: async ({ arena, victim, note }) =>
      note(await victim.ask('sessionLock', arena.in(`\x1b[31m\n/new/${SESSION}`))),
    appears: ['', `/${SESSION}.hold`, `/${SESSION}.lock`].map((name) => `shared/\x1b[31m\n/new${name}`),
    expect: { root: 'done', nobody: 'EACCES' },
  },
  {
    name: 'a session in a folder where no file of old gateways can be made: refused, and its message is safe to print',
    needs: [otherUsers],
    plant(arena) {
      arena.foreignFolder(arena.in('\x1b[31m\n'))
      arena.foreign(arena.in(`\x1b[31m\n/${SESSION}.hold`), 0o666)
    },
    act: async ({ arena, victim, note }) => note(await victim.ask('sessionLock', arena.in(`\x1b[31m\n/${SESSION}`))),
    changes: [`shared/\x1b[31m\n/${SESSION}.hold`, 'shared/\x1b[31m\n'],
    expect: { root: 'done', nobody: 'EACCES' },
  },
  {
    name: 'a session whose name has escapes: the warning at the start of a gateway has none',
    plant: (arena) => arena.foreignFolder(arena.in('\x1b[31m\n.jsonl.hold')),
    act: async ({ arena, victim, note }) => note(await victim.ask('clean', arena.folder)),
    expect: 'a warning',
  },
]
