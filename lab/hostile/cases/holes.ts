// Cases in which the product does not yet do what it should: not a part of the run, but for `--holes`. Whoever mends one
// moves it to where it belongs.
import { statSync } from 'node:fs'
import { join } from 'node:path'

import { ATTACKER } from '../arena.js'
import type { Case } from '../case.js'
import { leases, otherUsers } from '../users.js'

export const HOLES: readonly Case[] = [
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
    name: 'a timeout message of a path with escapes and ends of lines',
    async plant(arena, { attacker }) {
      arena.foreign(arena.in('\x1b[31m\n.hold'), 0o666)
      await attacker.ask('hold', arena.in('\x1b[31m\n'), 'exclusive')
    },
    act: async ({ arena, victim, note }) => note(await victim.ask('lock', 'acquire', arena.in('\x1b[31m\n'))),
    expect: 'busy',
  },
  {
    name: 'a symlink of another user to a name with escapes: the message of a refusal has none',
    plant(arena) {
      arena.foreignLink(arena.target, 'to\x1b[31m\nhere')
      arena.foreignLink(arena.in('to\x1b[31m\nhere.hold'), 'nowhere')
    },
    act: async ({ arena, victim, note }) => note(await victim.ask('lock', 'acquire', arena.target)),
    expect: 'ELOOP',
  },
  {
    name: 'a damaged line of a transcript has escapes: its error has none',
    plant: (arena) => arena.ours(arena.in('t.jsonl'), 0o600, '\x1b[31m\n'),
    act: async ({ arena, victim, note }) => note(await victim.ask('transcript', 'read', arena.in('t.jsonl'))),
    appears: [/\.hold$/],
    expect: 'done',
  },
  {
    name: 'a store of another user has the bit by which whoever runs it is its owner: what replaces it has not, if it is ours',
    needs: [otherUsers],
    plant(arena) {
      arena.foreignFolder(arena.in('open'), 0o777)
      arena.foreign(arena.in('open/s.json'), 0o6777, '{}')
    },
    async act({ arena, victim, note }) {
      const path = arena.in('open/s.json')
      const outcome = note(await victim.ask('store', 'update', path))
      const { mode, uid } = statSync(path)
      return `${outcome}, ${uid === ATTACKER.uid || (mode & 0o6000) === 0 ? 'harmless' : `mode ${mode.toString(8)} of user ${uid}`}`
    },
    changes: ['shared/open'],
    appears: [/^shared\/open\/s\.json/],
    expect: 'done, harmless',
  },
  {
    name: 'a transcript is read while somebody puts a FIFO in its place: no thread waits for a writer',
    async act({ arena, victim, attacker, note }) {
      const path = join(arena.theirs, 't.jsonl')
      await attacker.ask('race', 'fifos', path, '')
      const ended = await victim.ask('readMany', path, 2000)
      await attacker.ask('stop')
      return note(ended)
    },
    changes: ['theirs'],
    appears: [/^theirs\/t\.jsonl/],
    expect: 'done',
  },
  {
    name: 'a transcript is read while somebody puts symlinks in its place: no line of another file is read as one of it',
    plant: (arena) => arena.ours(arena.out('mine'), 0o600, '"mine"\n'),
    async act({ arena, victim, attacker, note }) {
      const path = join(arena.theirs, 't.jsonl')
      await attacker.ask('race', 'swap', path, arena.out('mine'))
      const ended = await victim.ask('readMany', path, 2000)
      await attacker.ask('stop')
      return `${note(ended)}, ${JSON.stringify(ended.value).includes('mine') ? 'read another file' : 'read that file'}`
    },
    changes: ['theirs'],
    appears: [/^theirs\/t\.jsonl/],
    expect: 'done, read that file',
  },
  {
    name: 'somebody has a lease on the lock file of an old gateway: looking at it does not wait for that',
    needs: [leases],
    plant: (arena) => arena.foreign(arena.in('s.jsonl.lock'), 0o666, '{}'),
    async act({ arena, victim, attacker, note }) {
      await attacker.ask('lease', arena.in('s.jsonl.lock'))
      return note(await victim.ask('clean', arena.folder))
    },
    expect: 'nothing',
  },
]
