// Names that are long, deep or strange.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Arena } from '../arena.js'
import type { Case } from '../case.js'

function named(what: string, name: string, expect: string): Case {
  return {
    name: `a target ${what}`,
    act: ({ arena, everyWay }) => everyWay(arena.in(name)),
    appears: [`shared/${name}.hold`],
    expect,
  }
}

/** A folder whose path has so many bytes. */
function deep(arena: Arena, bytes: number): string {
  let folder = arena.folder
  while (folder.length < bytes) {
    const rest = bytes - folder.length - 1
    folder = join(folder, 'd'.repeat(Math.max(1, Math.min(rest > 201 ? 200 : rest, 200))))
  }
  return folder
}

export const NAMES: readonly Case[] = [
  named('with a name of 250 bytes', 'x'.repeat(250), 'lock'),
  named('with a name of 251 bytes: there is no room for the suffix', 'x'.repeat(251), 'ENAMETOOLONG'),
  named('with a name of 250 bytes of wide characters', '€'.repeat(83) + 'x', 'lock'),
  {
    name: 'a target with a name of 255 bytes, and a lock file of another name',
    act: ({ arena, everyWay }) => everyWay(arena.in('x'.repeat(255)), { lockfile: arena.in('lock') }),
    appears: ['shared/lock'],
    expect: 'lock',
  },
  {
    name: '`lockfile` names one with 256 bytes',
    options: (arena) => ({ lockfile: arena.in('x'.repeat(256)) }),
    expect: 'ENAMETOOLONG',
  },
  named('with ends of lines in its name', 'a\nb\r\nc', 'lock'),
  named('with escapes in its name', '\x1b[31m\x07\x9b2J', 'lock'),
  {
    name: 'a wait that runs out for a target with escapes and ends of lines in its name: its message has none',
    async act({ arena, victim, attacker, note }) {
      const path = arena.in('\x1b[31m\n\u202e')
      arena.foreign(`${path}.hold`, 0o666)
      await attacker.ask('hold', path, 'exclusive')
      return note(await victim.ask('lock', 'acquire', path))
    },
    appears: [/\.hold$/],
    expect: 'busy',
  },
  {
    name: 'a target is a planted symlink to a name with escapes: the message of a refusal has none',
    plant(arena) {
      arena.ownersLink(arena.target, 'to\x1b[31m\nhere')
      arena.foreignLink(arena.in('to\x1b[31m\nhere.hold'), 'nowhere')
    },
    expect: 'ELOOP',
  },
  {
    name: 'a transcript and a store whose names have escapes are folders: the messages of the refusals have none',
    plant(arena) {
      arena.foreignFolder(arena.in('\x1b[31m\n.jsonl'))
      arena.foreignFolder(arena.in('\x1b[31m\n.json'))
    },
    async act({ arena, victim, note }) {
      const transcript = note(await victim.ask('transcript', 'read', arena.in('\x1b[31m\n.jsonl')))
      return `${transcript}, ${note(await victim.ask('store', 'read', arena.in('\x1b[31m\n.json')))}`
    },
    expect: 'EISDIR, EISDIR',
  },
  named('with bidirectional characters in its name', '\u202egnp.exe\u2066', 'lock'),
  named('with quotes and shell in its name', `'";$(touch x)\`touch y\`|&<>*?[!`, 'lock'),
  named('with a name that is an option', '--help', 'lock'),
  named('with a name that is a format', '%s%n%d%o%j', 'lock'),
  named('with half a character in its name', 'half \ufffd', 'lock'),
  named('that is called like a lock file', 'data.hold', 'lock'),
  {
    name: 'a path that is empty',
    act: ({ everyWay }) => everyWay(''),
    expect: 'ERR_INVALID_ARG_VALUE',
  },
  {
    name: 'a path with a NUL',
    act: ({ arena, everyWay }) => everyWay(`${arena.target}\0.hold`),
    expect: 'ERR_INVALID_ARG_VALUE',
  },
  {
    name: 'a lock file with a NUL',
    options: (arena) => ({ lockfile: `${arena.lockfile}\0` }),
    expect: 'ERR_INVALID_ARG_VALUE',
  },
  {
    name: 'a lock file without a name',
    options: () => ({ lockfile: '' }),
    expect: 'ERR_INVALID_ARG_VALUE',
  },
  {
    name: 'a path of nearly 4096 bytes',
    plant(arena) {
      const umask = process.umask(0)
      mkdirSync(deep(arena, 4000), { recursive: true })
      process.umask(umask)
    },
    act: ({ arena, everyWay }) => everyWay(join(deep(arena, 4000), 'data')),
    appears: [/\/data\.hold$/],
    expect: 'lock',
  },
  {
    name: 'a path of more than 4096 bytes',
    act: ({ arena, everyWay }) => everyWay(join(arena.folder, 'd/'.repeat(2100), 'data')),
    expect: 'ENAMETOOLONG',
  },
  {
    name: 'a path of a mebibyte',
    act: ({ arena, everyWay }) => everyWay(join(arena.folder, 'd'.repeat(1 << 20))),
    expect: 'ENAMETOOLONG',
  },
]
