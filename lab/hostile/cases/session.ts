// Transcripts and stores in a folder that everybody may write to: planted in their place, and under every name that the
// library makes beside them.
import { chmodSync, existsSync, readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

import type { StoreOptions } from 'holdfast/session'

import { ATTACKER, type Arena } from '../arena.js'
import type { Race, StoreWork, TranscriptWork } from '../calls.js'
import type { Case, Scene } from '../case.js'
import { leases, otherUsers } from '../users.js'

const FILE = 't.jsonl'
const STORE = 's.json'
/** The locks of both. */
const LOCKS = ['shared/t.jsonl.hold', 'shared/s.json.hold']
const ALL_OF_TRANSCRIPT: readonly TranscriptWork[] = ['open', 'read', 'append', 'compact', 'delete']
const ALL_OF_STORE: readonly StoreWork[] = ['open', 'read', 'update', 'updateJson']

async function onTranscript(scene: Scene, works = ALL_OF_TRANSCRIPT): Promise<string> {
  const { arena, victim, note } = scene
  const outcomes: string[] = []
  for (const work of works) outcomes.push(note(await victim.ask('transcript', work, arena.in(FILE))))
  return new Set(outcomes).size === 1 ? (outcomes[0] ?? '') : outcomes.join(', ')
}

async function onStore(scene: Scene, works = ALL_OF_STORE, options?: StoreOptions<unknown>): Promise<string> {
  const { arena, victim, note } = scene
  const outcomes: string[] = []
  for (const work of works) outcomes.push(note(await victim.ask('store', work, arena.in(STORE), options)))
  return new Set(outcomes).size === 1 ? (outcomes[0] ?? '') : outcomes.join(', ')
}

/** What is planted where both should be, and what every use of them ends with. */
const PLANTED: readonly (readonly [string, (arena: Arena, path: string) => void | Promise<void>, Case['expect']])[] = [
  ['a FIFO', (arena, path) => arena.foreignFifo(path), 'EFTYPE'],
  ['a folder', (arena, path) => arena.foreignFolder(path), 'EISDIR'],
  ['a symlink to itself', (arena, path) => arena.ourLink(path, path), 'ELOOP'],
  [
    'a symlink to a FIFO', // never to what everybody uses: links of data files are followed, and root may replace what is there
    (arena, path) => {
      arena.foreignFifo(arena.in('there'))
      arena.ourLink(path, 'there')
    },
    'EFTYPE',
  ],
]

const TIME = '2030-01-01T00:00:00.000Z'
const STAMP = '20300101T000000000Z'
const NUMBER = '0123456789abcdef0123456789abcdef'

const READS = 2000

/** What is planted under a name that the library would make. */
const UNDER_ITS_NAME: readonly (readonly [string, (arena: Arena, path: string) => void])[] = [
  ['a dangling symlink', (arena, path) => arena.foreignLink(path, arena.out('folder/nowhere'))],
  ['a symlink to a file', (arena, path) => arena.foreignLink(path, arena.out('public'))],
  ['a symlink to an empty file', (arena, path) => arena.foreignLink(path, arena.out('empty'))],
  ['a FIFO', (arena, path) => arena.foreignFifo(path)],
  ['a folder', (arena, path) => arena.foreignFolder(path, 0o777)],
  ['a file of another user', (arena, path) => arena.foreign(path, 0o666, 'theirs\n')],
  ['a hard link of a file outside', (arena, path) => arena.hardLink(path, arena.out('public'))],
]

/** With a time that stands still, for the name has it. */
async function atFixedTime(scene: Scene, work: () => Promise<string>): Promise<string> {
  await scene.victim.ask('freeze', TIME)
  try {
    return await work()
  } finally {
    await scene.victim.ask('freeze', null)
  }
}

/** Of those of the library, the folder has none but what was planted. */
function nothingIsLeft(arena: Arena, planted: number): string {
  const names = readdirSync(arena.folder).filter((name) => /\.(tmp|compacted)$/.test(name))
  return names.length <= planted ? '' : `, and ${names.join(' ')} is left`
}

/** A transcript is opened, and then read while the attacker changes what is there. */
async function whileRacing({ arena, victim, attacker, note }: Scene, race: Race, outside: string): Promise<string> {
  const path = join(arena.theirs, FILE)
  note(await victim.ask('openToRead', path))
  await attacker.ask('race', race, path, outside)
  const outcomes = new Set<string>()
  do {
    const ended = await victim.ask('readMany', READS)
    outcomes.add(note(ended))
    if (JSON.stringify(ended.value).includes('another')) outcomes.add('lines of another file')
  } while ((await attacker.ask('rounds')) < READS / 10)
  await attacker.ask('stop')
  return [...outcomes].join(', and ')
}

export const SESSION: readonly Case[] = [
  ...PLANTED.map(([what, plant, expect]): Case => ({
    name: `a transcript is ${what}`,
    plant: (arena) => plant(arena, arena.in(FILE)),
    act: (scene) => onTranscript(scene),
    appears: [/\.hold$/],
    expect,
  })),
  ...PLANTED.map(([what, plant, expect]): Case => ({
    name: `a store is ${what}`,
    plant: (arena) => plant(arena, arena.in(STORE)),
    act: (scene) => onStore(scene),
    appears: [/\.hold$/],
    expect,
  })),
  {
    name: 'a transcript is a symlink of another user: it is not followed, neither to read nor to write',
    needs: [otherUsers],
    plant: (arena) => arena.foreignLink(arena.in(FILE), arena.out('public')),
    act: (scene) => onTranscript(scene),
    expect: 'EACCES',
  },
  {
    name: 'a store is a symlink of another user: it is not followed, neither to read nor to write',
    needs: [otherUsers],
    plant: (arena) => arena.foreignLink(arena.in(STORE), arena.out('public')),
    act: (scene) => onStore(scene),
    expect: 'EACCES',
  },
  {
    name: 'the lock file of a transcript is a planted symlink',
    plant(arena) {
      arena.ours(arena.in(FILE), 0o600, '{"a":1}\n')
      arena.foreignLink(`${arena.in(FILE)}.hold`, arena.out('empty'))
    },
    act: (scene) => onTranscript(scene, ['append', 'compact', 'delete']),
    expect: 'ELOOP',
  },
  {
    name: 'the lock file of a store is a planted symlink',
    plant(arena) {
      arena.ours(arena.in(STORE), 0o600, '{"a":1}\n')
      arena.foreignLink(`${arena.in(STORE)}.hold`, arena.out('empty'))
    },
    act: (scene) => onStore(scene, ['update', 'updateJson']),
    expect: 'ELOOP',
  },
  {
    name: 'another user holds the lock of a transcript and never lets go: reading goes on',
    async plant(arena, { attacker }) {
      arena.ours(arena.in(FILE), 0o644, '{"a":1}\n')
      arena.foreign(`${arena.in(FILE)}.hold`, 0o666)
      await attacker.ask('hold', arena.in(FILE), 'exclusive')
    },
    act: (scene) => onTranscript(scene, ['open', 'read', 'append', 'delete']),
    expect: 'done, done, busy, busy',
  },
  {
    name: 'another user holds the lock of a store and never lets go: reading goes on',
    async plant(arena, { attacker }) {
      arena.ours(arena.in(STORE), 0o644, '{"a":1}\n')
      arena.foreign(`${arena.in(STORE)}.hold`, 0o666)
      await attacker.ask('hold', arena.in(STORE), 'exclusive')
    },
    act: (scene) => onStore(scene),
    expect: 'done, done, busy, busy',
  },
  {
    name: 'a transcript of another user that only its owner may write to',
    needs: [otherUsers],
    plant: (arena) => arena.foreign(arena.in(FILE), 0o644, '{"a":1}\n'),
    act: (scene) => onTranscript(scene, ['open', 'read', 'append']),
    changes: ['shared/t.jsonl'],
    appears: LOCKS,
    expect: { root: 'done', nobody: 'done, done, EACCES' },
  },
  {
    name: 'a store of another user, in a folder where only its owner may replace it',
    needs: [otherUsers],
    plant: (arena) => arena.foreign(arena.in(STORE), 0o666, '{"a":1}\n'),
    async act(scene) {
      const outcome = await onStore(scene)
      return outcome + nothingIsLeft(scene.arena, 0)
    },
    changes: ['shared/s.json'],
    appears: LOCKS,
    expect: { root: 'done', nobody: 'done, done, EPERM, EPERM' },
  },
  {
    name: 'a transcript of another user is compacted, in a folder where only its owner may replace it',
    needs: [otherUsers],
    plant: (arena) => arena.foreign(arena.in(FILE), 0o666, '{"a":1}\n'),
    async act(scene) {
      const outcome = await onTranscript(scene, ['compact', 'delete'])
      return outcome + nothingIsLeft(scene.arena, 0)
    },
    changes: ['shared/t.jsonl'],
    appears: [...LOCKS, 'shared/t.jsonl'],
    expect: { root: 'done', nobody: 'EPERM' },
  },
  ...UNDER_ITS_NAME.map(([what, plant]): Case => ({
    name: `where the copy of a line that is to be cut off would be, there is ${what}`,
    plant(arena) {
      arena.ours(arena.in(FILE), 0o600, '{"a":1}\n{"torn":\0\0')
      plant(arena, `${arena.in(FILE)}.torn-${STAMP}`)
    },
    async act(scene) {
      const outcome = await atFixedTime(scene, () => onTranscript(scene, ['append']))
      const second = existsSync(`${scene.arena.in(FILE)}.torn-${STAMP}-2`)
      return `${outcome}${second ? ' under another name' : ''}`
    },
    changes: ['shared/t.jsonl'],
    appears: [...LOCKS, `shared/${FILE}.torn-${STAMP}-2`],
    expect: 'done under another name',
  })),
  ...UNDER_ITS_NAME.map(([what, plant]): Case => ({
    name: `where the copy of an unreadable store would be, there is ${what}`,
    plant(arena) {
      arena.ours(arena.in(STORE), 0o600, 'not JSON')
      plant(arena, `${arena.in(STORE)}.corrupt-${STAMP}`)
    },
    async act(scene) {
      const anew = { onUnreadable: 'start-anew' } as const
      const outcome = await atFixedTime(scene, () => onStore(scene, ['update'], anew))
      const second = existsSync(`${scene.arena.in(STORE)}.corrupt-${STAMP}-2`)
      return `${outcome}${second ? ' under another name' : ''}`
    },
    changes: ['shared/s.json'],
    appears: [...LOCKS, `shared/${STORE}.corrupt-${STAMP}-2`],
    expect: 'done under another name',
  })),
  ...UNDER_ITS_NAME.map(([what, plant]): Case => ({
    name: `among the new files of compactions there is ${what}`,
    plant(arena) {
      arena.ours(arena.in(FILE), 0o600, '{"a":1}\n')
      plant(arena, arena.in(`.${FILE}.${NUMBER}.compacted`))
    },
    async act(scene) {
      const outcome = await onTranscript(scene, ['compact'])
      return outcome + nothingIsLeft(scene.arena, 1)
    },
    changes: ['shared/t.jsonl', ...(what.startsWith('a hard link') ? ['outside/public'] : [])],
    appears: [...LOCKS, `shared/.${FILE}.${NUMBER}.compacted`],
    expect: 'done',
  })),
  ...UNDER_ITS_NAME.map(([what, plant]): Case => ({
    name: `among what dead updates of a store have left there is ${what}`,
    plant(arena) {
      arena.ours(arena.in(STORE), 0o600, '{"a":1}\n')
      plant(arena, arena.in(`.${STORE}.${NUMBER}.tmp`))
      const record = 'holdfast {"v":1,"state":"held","pid":1,"since":1,"fence":1}'
      arena.foreign(`${arena.in(STORE)}.hold`, 0o666, record.padEnd(511) + '\n')
    },
    async act(scene) {
      const outcome = await onStore(scene, ['update', 'update'])
      return outcome + nothingIsLeft(scene.arena, 1)
    },
    changes: ['shared', 'shared/s.json', ...LOCKS, ...(what.startsWith('a hard link') ? ['outside/public'] : [])],
    appears: [`shared/.${STORE}.${NUMBER}.tmp`],
    expect: 'done',
  })),
  {
    name: 'a store that is a hole of four terabytes',
    plant(arena) {
      arena.foreign(arena.in(STORE), 0o666)
      truncateSync(arena.in(STORE), 2 ** 42)
    },
    act: (scene) => onStore(scene),
    appears: LOCKS,
    expect: 'ENOMEM',
  },
  {
    name: 'a store that is JSON deeper than any stack',
    plant: (arena) => arena.foreign(arena.in(STORE), 0o666, '['.repeat(1 << 20)),
    act: (scene) => onStore(scene),
    appears: LOCKS,
    expect: 'unreadable',
  },
  {
    name: 'a store with escapes and bytes that are no UTF-8',
    plant: (arena) => arena.foreign(arena.in(STORE), 0o666, Buffer.from('{"a\x1b[31m\n\xff', 'latin1')),
    act: (scene) => onStore(scene),
    appears: LOCKS,
    expect: 'unreadable',
  },
  {
    name: 'a store with a field __proto__: it is data and no prototype',
    plant(arena) {
      arena.ours(
        arena.in(STORE),
        0o600,
        '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
      )
    },
    async act(scene) {
      const { arena, victim, note } = scene
      const ended = await victim.ask('store', 'update', arena.in(STORE))
      const seen = note(await victim.ask('store', 'read', arena.in(STORE)))
      return `${note(ended)}, ${seen}, ${'polluted' in {} ? 'polluted' : 'clean'}`
    },
    changes: ['shared/s.json'],
    appears: LOCKS,
    expect: 'done, done, clean',
  },
  {
    name: 'a transcript with NULs, half characters and lines that are no JSON',
    plant(arena) {
      const lines = Buffer.from('{"a":1}\n\n\xff\xfe\n[[[[\n{"b":2}\n', 'latin1')
      arena.ours(arena.in(FILE), 0o600, lines)
    },
    act: (scene) => onTranscript(scene, ['open', 'read', 'append', 'read']),
    changes: ['shared/t.jsonl'],
    appears: LOCKS,
    expect: 'done',
  },
  {
    name: 'a record of another boot that somebody made up: what is torn is saved all the same',
    plant(arena) {
      arena.ours(arena.in(FILE), 0o600, '{"a":1}\n{"torn":')
      const record = 'holdfast {"v":1,"state":"held","pid":1,"since":1,"fence":1,"boot":"\\u001b[31m"}'
      arena.foreign(`${arena.in(FILE)}.hold`, 0o666, record.padEnd(511) + '\n')
    },
    async act(scene) {
      const outcome = await atFixedTime(scene, () => onTranscript(scene, ['append']))
      scene.arena.expectContent(`${scene.arena.in(FILE)}.torn-${STAMP}`, '{"torn":')
      return outcome
    },
    changes: ['shared/t.jsonl', ...LOCKS],
    appears: [`shared/${FILE}.torn-${STAMP}`],
    expect: 'done',
  },
  {
    name: 'a transcript in a folder that cannot be listed: it is compacted or refused, and nothing is left',
    needs: [otherUsers],
    plant(arena) {
      arena.foreignFolder(arena.in('dark'), 0o733)
      arena.ours(`${arena.in('dark')}/${FILE}`, 0o600, '{"a":1}\n')
    },
    async act({ arena, victim, note }) {
      const path = `${arena.in('dark')}/${FILE}`
      const outcome = note(await victim.ask('transcript', 'append', path))
      chmodSync(arena.in('dark'), 0o777)
      const names = readdirSync(arena.in('dark')).sort().join(' ')
      return `${outcome}: ${names}`
    },
    changes: [`shared/dark/${FILE}`, 'shared/dark'],
    appears: [`shared/dark/${FILE}.hold`],
    expect: `done: ${FILE} ${FILE}.hold`,
  },
  {
    name: 'where the copies of a torn line would be, there is something at every name: refused, and nothing is lost',
    plant(arena) {
      arena.ours(arena.in(FILE), 0o600, '{"a":1}\n{"torn":\0\0')
      for (let count = 1; count <= 16; count++) {
        const path = `${arena.in(FILE)}.torn-${STAMP}${count === 1 ? '' : `-${count}`}`
        arena.foreignLink(path, arena.out('folder/nowhere'))
      }
    },
    act: (scene) => atFixedTime(scene, () => onTranscript(scene, ['append'])),
    appears: LOCKS,
    expect: 'ELOOP',
  },
  {
    name: 'a damaged line of a transcript has escapes: its error has none',
    plant: (arena) => arena.ours(arena.in(FILE), 0o600, '\x1b[31m\n'),
    act: (scene) => onTranscript(scene, ['read']),
    appears: LOCKS,
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
    name: 'another user has a lease on a transcript: every use of it is refused at once',
    needs: [leases],
    plant: (arena) => arena.foreign(arena.in(FILE), 0o666, '{"a":1}\n'),
    async act(scene) {
      await scene.attacker.ask('lease', scene.arena.in(FILE))
      return await onTranscript(scene)
    },
    appears: LOCKS,
    expect: 'EAGAIN',
  },
  {
    name: 'a transcript is read while somebody puts a FIFO in its place: no thread waits for a writer',
    plant: (arena) => arena.ours(join(arena.theirs, FILE), 0o644, '{"line":1}\n'),
    act: (scene) => whileRacing(scene, 'fifos', ''),
    changes: ['theirs'],
    appears: [/^theirs\/t\.jsonl/],
    expect: 'done',
  },
  {
    name: 'a transcript is read while somebody puts symlinks in its place: no line of another file is read as one of it',
    plant(arena) {
      arena.ours(join(arena.theirs, FILE), 0o644, '{"line":1}\n')
      arena.ours(arena.out('mine'), 0o600, '"another"\n')
    },
    act: (scene) => whileRacing(scene, 'swap', scene.arena.out('mine')),
    changes: ['theirs'],
    appears: [/^theirs\/t\.jsonl/],
    expect: 'done',
  },
]
