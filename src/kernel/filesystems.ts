// Which filesystem a lock file lies on, found out without asking a filesystem that may never answer.
//
// The mount table is matched against where a path really leads: links are followed step by step, as long as the way is
// over filesystems that answer. Remembered for each folder; what is mounted over it later is noticed by its volume
// (native-kernel.ts).
import { readlinkSync, statfsSync } from 'node:fs'
import { dirname, isAbsolute, join, parse, sep } from 'node:path'

import { LockError } from '../errors.js'
import { publishFilesystem } from '../events.js'
import { classify, distantType, unknownFilesystem, type Filesystem } from './filesystem.js'
import type { LockTarget } from './kernel.js'
import type { FindMount } from './mount-table.js'

/** As many as Linux follows. */
const MOST_LINKS = 40

/** Forgotten all at once when there are more: a bound on memory, not a rule. */
const MOST_FOLDERS = 4096

export interface System {
  /** Throws where the system does not tell. */
  readonly mounts: () => FindMount
  /** Asks the filesystem. */
  readonly isLink: (path: string) => boolean
}

export class Filesystems {
  private readonly system: System
  private readonly byFolder = new Map<string, Filesystem>()
  private readonly told = new Set<string>()
  /** What was asked for last, often the same again. */
  private lastPath = ''
  private last: Filesystem | undefined

  constructor(system: System) {
    this.system = system
  }

  /** The filesystem of the folder that a file is in; `path` is absolute. */
  of(path: string): Filesystem {
    if (path === this.lastPath && this.last !== undefined) return this.last
    const found = this.ofFolder(dirname(path))
    this.lastPath = path
    this.last = lasts(found) ? found : undefined
    return found
  }

  ofFolder(folder: string): Filesystem {
    return this.byFolder.get(folder) ?? this.find(folder)
  }

  /** The same, not from memory. */
  ofNow(path: string): Filesystem {
    this.byFolder.clear()
    this.last = undefined
    return this.of(path)
  }

  /** Refuses a filesystem whose locks do not exclude, and tells once of each mount where they may not. */
  admit({ target, lockfile, filesystem, strict }: LockTarget): void {
    if (filesystem.kind === 'local') return
    const { kind, type, mount, source, reason } = filesystem
    const where = `${lockfile} lies on ${type} (${source === '' ? mount : `${source} at ${mount}`})`
    if (kind === 'broken' || (kind === 'unsure' && strict)) {
      throw new LockError('ERR_LOCK_UNSUPPORTED', `${where}: ${reason}`, { path: target, lockfile })
    }
    const key = `${type} ${source} ${mount}`
    if (this.told.has(key)) return
    this.told.add(key)
    const event = { kind: 'filesystem', lockfile, reason: `${where}: ${reason}` } as const
    publishFilesystem({ ...event, filesystem: { kind, type, mount, source } })
  }

  private find(folder: string): Filesystem {
    const filesystem = this.look(folder)
    if (!lasts(filesystem)) return filesystem
    if (this.byFolder.size >= MOST_FOLDERS) this.byFolder.clear()
    this.byFolder.set(folder, filesystem)
    return filesystem
  }

  private look(folder: string): Filesystem {
    let findMount: FindMount
    try {
      findMount = this.system.mounts()
    } catch {
      return unknownFilesystem(folder, 'the list of mounts cannot be read')
    }
    return this.walk(findMount, folder)
  }

  private walk(findMount: FindMount, folder: string): Filesystem {
    const at = (path: string): Filesystem => {
      const mount = findMount(path)
      return mount === undefined ? unknownFilesystem(path, 'the system lists no mount there') : classify(mount)
    }
    const { root } = parse(folder)
    const rest = names(folder.slice(root.length))
    let path = root
    for (let links = 0; !at(path).distant;) {
      const name = rest.shift()
      if (name === undefined) return this.secondOpinion(at(path), path)
      const next = name === '..' ? dirname(path) : join(path, name)
      const destination = at(next).distant || !this.system.isLink(next) ? null : destinationOf(next)
      if (destination === null) {
        path = next
      } else if (++links <= MOST_LINKS) {
        rest.unshift(...names(destination))
        if (isAbsolute(destination)) path = parse(destination).root
      }
    }
    // From here on the text must do: whatever lies behind a distant filesystem is reached through it.
    return { ...at(join(path, ...rest)), distant: true }
  }

  private secondOpinion(first: Filesystem, folder: string): Filesystem {
    if (process.platform !== 'linux') return first
    try {
      const type = distantType(statfsSync(folder).type)
      if (type === undefined) return first
      return classify({ type, point: first.mount, source: first.source, options: [] })
    } catch {
      return first
    }
  }
}

/** What an automounter puts in its place is seen only when it is there. */
function lasts({ type }: Filesystem): boolean {
  return type !== 'autofs'
}

function names(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.')
}

/** Null when the link has gone meanwhile, or may not be read. */
function destinationOf(link: string): string | null {
  try {
    return readlinkSync(link)
  } catch {
    return null
  }
}
