// The lock of session files as gateways know it: it makes and reads the lock files of old gateways too.
import type { Arena } from '../arena.js'
import type { Case } from '../case.js'

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
]
