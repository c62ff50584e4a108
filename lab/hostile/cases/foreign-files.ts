// Lock files of another user, data where the lock file should be, and a holder who never lets go.
import { chmodSync, statSync, truncateSync, utimesSync } from 'node:fs'

import type { Case } from '../case.js'
import { leases, otherUsers } from '../users.js'

const HOLD = 'shared/data.hold'

/** Mode of an empty lock file of the attacker, and how it ends. */
const MODES: readonly (readonly [number, Case['expect']])[] = [
  [0o666, 'lock'],
  [0o600, { root: 'lock', nobody: 'EACCES' }],
  [0o000, { root: 'lock', nobody: 'EACCES' }],
  [0o644, { root: 'lock', nobody: 'lock without record' }],
  [0o444, { root: 'lock', nobody: 'lock without record' }],
  [0o222, { root: 'lock', nobody: 'EACCES' }],
  [0o6777, 'lock'],
]

const DATA: readonly (readonly [string, string | Buffer])[] = [
  ['text', 'important data\n'],
  ['JSON', '{"v":1,"state":"held","pid":1,"since":1}\n'],
  ['a process number', '1\n'],
  ['one byte', 'h'],
  ['NULs', Buffer.alloc(4096)],
  ['three mebibytes', Buffer.alloc(3 << 20, 'data ')],
  ['text that begins like a record', 'holdfast is a library\n'],
]

export const FOREIGN_FILES: readonly Case[] = [
  ...MODES.map(([mode, expect]): Case => ({
    name: `a lock file of another user with mode ${mode.toString(8).padStart(4, '0')}`,
    needs: [otherUsers],
    plant: (arena) => arena.foreign(arena.lockfile, mode),
    changes: [HOLD],
    expect,
  })),
  ...DATA.map(([what, content]): Case => ({
    name: `the lock file is data of another user, ${what}: it is not written to`,
    plant: (arena) => arena.foreign(arena.lockfile, 0o666, content),
    expect: 'lock without record',
  })),
  {
    name: 'the lock file is data of our own: it is not written to',
    plant: (arena) => arena.ours(arena.lockfile, 0o600, 'important data\n'),
    expect: 'lock without record',
  },
  {
    name: '`lockfile` names the target itself, which has data',
    plant: (arena) => arena.foreign(arena.target, 0o666, '{"data":1}\n'),
    options: (arena) => ({ lockfile: arena.target }),
    appears: [],
    expect: 'lock without record',
  },
  {
    name: 'the lock file is a file of a terabyte that is all hole',
    plant(arena) {
      arena.foreign(arena.lockfile, 0o666)
      truncateSync(arena.lockfile, 2 ** 40)
    },
    expect: 'lock without record',
  },
  {
    name: 'the lock file is a hard link of a file outside with data',
    plant: (arena) => arena.hardLink(arena.lockfile, arena.out('public')),
    expect: 'lock without record',
  },
  {
    name: 'the lock file is a hard link of a private file outside',
    needs: [otherUsers],
    plant: (arena) => arena.hardLink(arena.lockfile, arena.out('secret')),
    expect: { root: 'lock without record', nobody: 'EACCES' },
  },
  {
    name: 'the lock file is a hard link of an empty file outside: no record is written into that',
    plant: (arena) => arena.hardLink(arena.lockfile, arena.out('empty')),
    expect: 'lock without record',
  },
  {
    name: 'the lock file is a hard link of an empty private file outside: no record is written into that',
    plant: (arena) => arena.hardLink(arena.lockfile, arena.out('private')),
    expect: { root: 'lock without record', nobody: 'EACCES' },
  },
  {
    name: 'the lock file is of the past, and of the future',
    plant(arena) {
      arena.foreign(arena.lockfile, 0o666)
      utimesSync(arena.lockfile, 0, 4e9)
    },
    changes: [HOLD],
    expect: 'lock',
  },
  {
    name: 'a lock file of our own that everybody may write to',
    plant: (arena) => arena.ours(arena.lockfile, 0o666),
    changes: [HOLD],
    expect: 'lock',
  },
  {
    name: 'a lock file of our own that we may not write to',
    plant: (arena) => arena.ours(arena.lockfile, 0o400),
    changes: [HOLD],
    expect: { root: 'lock', nobody: 'lock without record' },
  },
  {
    name: 'the target is of another user: so is its lock file, if root makes it',
    plant: (arena) => arena.foreign(arena.target, 0o640, 'data'),
    expect: 'lock',
  },
  {
    name: 'the target has every bit that a mode can have: its lock file gets those of reading and writing',
    plant: (arena) => arena.foreign(arena.target, 0o7777, 'data'),
    async act({ arena, everyWay }) {
      const outcome = await everyWay(arena.target)
      return `${outcome} with mode ${(statSync(arena.lockfile).mode & 0o7777).toString(8)}`
    },
    expect: 'lock with mode 666',
  },
  {
    name: 'another user holds it and never lets go',
    async plant(arena, { attacker }) {
      arena.foreign(arena.lockfile, 0o666)
      await attacker.ask('hold', arena.target, 'exclusive')
    },
    expect: 'busy',
  },
  {
    name: 'another user holds it shared and never lets go: exclusive requests time out, shared ones do not',
    async plant(arena, { attacker }) {
      arena.foreign(arena.lockfile, 0o666)
      await attacker.ask('hold', arena.target, 'shared')
    },
    async act({ arena, victim, note }) {
      const outcomes: string[] = []
      for (const way of ['tryAcquire', 'at once', 'acquire', 'shared'] as const) {
        const ended = await victim.ask('lock', way, arena.target)
        if (ended.key !== null) await victim.ask('letGo', ended.key)
        outcomes.push(note(ended))
      }
      return outcomes.join(', ')
    },
    expect: 'busy, busy, busy, lock',
  },
  {
    name: 'another user holds a lock file that is ours, through a descriptor for reading',
    needs: [otherUsers],
    async plant(arena, { attacker }) {
      arena.ours(arena.lockfile, 0o644)
      await attacker.ask('hold', arena.target, 'exclusive')
    },
    expect: 'busy',
  },
  {
    name: 'another user holds it, and has taken every right to it',
    needs: [otherUsers],
    async plant(arena, { attacker }) {
      arena.foreign(arena.lockfile, 0o666)
      await attacker.ask('hold', arena.target, 'exclusive')
      chmodSync(arena.lockfile, 0)
    },
    expect: { root: 'busy', nobody: 'EACCES' },
  },
  {
    name: 'another user has a lease on the lock file: opening it would wait for that',
    needs: [leases],
    plant: (arena) => arena.foreign(arena.lockfile, 0o666),
    // Here and not planted: whoever looks at what was planted would wait for it too.
    async act({ arena, attacker, everyWay }) {
      await attacker.ask('lease', arena.lockfile)
      return await everyWay(arena.target)
    },
    expect: 'EAGAIN',
  },
  {
    name: 'another user lets go while we wait',
    async plant(arena, { attacker }) {
      arena.foreign(arena.lockfile, 0o666)
      await attacker.ask('hold', arena.target, 'exclusive')
    },
    async act({ arena, victim, attacker, note }) {
      const waiting = victim.ask('lock', 'acquire', arena.target, { timeout: 10_000 })
      await victim.ask('left')
      await attacker.ask('letGo')
      const ended = await waiting
      if (ended.key !== null) await victim.ask('letGo', ended.key)
      return note(ended)
    },
    changes: [HOLD],
    expect: 'lock',
  },
]
