// An attacker who changes what stands there as fast as it can, while the victim asks again and again. In a folder of the
// attacker, who can put anything in the place of everything there. Whatever each request meets, it ends at its time-out at
// the latest, typed; nothing outside is touched; and once the attacker is gone, the lock excludes.
import { join } from 'node:path'

import type { PlainOptions, Race, Way } from '../calls.js'
import type { Case } from '../case.js'

const REQUESTS = 60
const WAYS: readonly Way[] = ['acquire', 'tryAcquire', 'shared', 'withLock', 'at once', 'acquireAll']
const OPTIONS: PlainOptions = { timeout: 200 }

/** `met` is how a request may end besides `lock`, without a record or with. */
function race(name: string, kind: Race, met: readonly string[], appears: readonly (string | RegExp)[] = []): Case {
  return {
    name,
    async act({ arena, victim, attacker, note, everyWay }) {
      const folder = join(arena.theirs, 'place')
      arena.foreignFolder(folder, 0o1777)
      const target = join(folder, 'data')
      const parents = kind === 'parents'
      await attacker.ask('race', kind, parents ? folder : `${target}.hold`, arena.out(parents ? 'folder' : 'empty'))
      const other = new Set<string>()
      // Where the attacker had few turns, it goes on until it had them.
      for (let request = 0; request < REQUESTS || (await attacker.ask('rounds')) < REQUESTS; request++) {
        const ended = await victim.ask('lock', WAYS[request % WAYS.length] ?? 'acquire', target, OPTIONS)
        if (ended.key !== null) {
          await victim.ask('assertHeld', ended.key)
          await victim.ask('letGo', ended.key)
        }
        const outcome = note(ended)
        if (!outcome.startsWith('lock') && !met.includes(outcome)) other.add(outcome)
        const seen = note(await victim.ask('inspect', target))
        if (!['free', 'held', 'abandoned', ...met].includes(seen)) other.add(`inspect: ${seen}`)
      }
      await attacker.ask('stop')
      return [...other, await everyWay(target)].join(', ')
    },
    changes: ['theirs'],
    appears: [/^theirs\/place/, ...appears],
    expect: 'lock',
  }
}

export const RACES: readonly Case[] = [
  race('a race with who deletes and makes the lock file', 'recreate', ['busy', 'EAGAIN']),
  race('a race with who moves another lock file over it, some with garbage', 'rename over', ['busy']),
  race('a race with who puts symlinks in its place, some dangling', 'symlinks', ['busy', 'ELOOP', 'EAGAIN']),
  race('a race with who puts a FIFO in its place', 'fifos', ['busy', 'EFTYPE']),
  race('a race with who puts a folder in its place', 'folders', ['busy', 'EISDIR', 'EAGAIN', 'ENOTEMPTY']),
  race('a race with who writes to it and cuts it', 'content', ['busy']),
  race('a race with who takes every right to it and gives it back', 'modes', ['busy', 'EACCES']),
  race(
    'a race with who puts a symlink in the place of the folder',
    'parents',
    ['busy', 'ENOENT', 'EAGAIN'],
    ['outside/folder/data.hold'],
  ),
]
