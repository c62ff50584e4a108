// Which filesystem a lock file lies on, found out without asking a filesystem that may never answer.
//
// The mount table is matched against where a path really leads: links are followed step by step, as long as the way is
// over filesystems that answer. Remembered for each folder; what is mounted over it later is noticed by its volume
// (native-kernel.ts).
import { dirname, isAbsolute, join, parse, sep } from 'node:path'

import { LockError } from '../errors.js'
import { publishFilesystem } from '../channels.js'
import { classify, distantType, unknownFilesystem, type Filesystem } from './filesystem.js'
import type { LockTarget } from './kernel.js'
import type { MountList } from './mount-table.js'
import { fs } from './late.js'

/** As many as Linux follows. */
const MOST_LINKS = 40

/** Forgotten all at once when there are more: a bound on memory, not a rule. */
const MOST_FOLDERS = 4096

/** Milliseconds after which the list of mounts is read again. */
const LIST_LASTS = 1000

export interface System {
  /** Throws where the system does not tell. */
  readonly mounts: () => MountList
  /** Where a link leads, by asking its filesystem; null where there is none. Throws when it cannot tell. */
  readonly link: (path: string) => string | null
  /** Milliseconds. */
  readonly now: () => number
  /** Told when the list is not what it was. */
  readonly changed: () => void
}

export class Filesystems {
  private readonly system: System
  private readonly byFolder = new Map<string, Filesystem>()
  private readonly told = new Set<string>()
  /** What was asked for last, often the same again. */
  private lastPath = ''
  private last: Filesystem | undefined
  /** The list as it was read last; null where it cannot be read. */
  private list: MountList | null = null
  private readAt = -Infinity
  private changes = 0
  /** Where something distant is mounted. */
  private points: ReadonlySet<string> = new Set()

  constructor(system: System) {
    this.system = system
  }

  /** The filesystem of the folder that a file is in; `path` is absolute. */
  of(path: string): Filesystem {
    this.refresh()
    if (path === this.lastPath && this.last !== undefined) return this.last
    const found = this.ofFolder(dirname(path))
    this.lastPath = path
    this.last = found
    return found
  }

  ofFolder(folder: string): Filesystem {
    this.refresh()
    return this.byFolder.get(folder) ?? this.find(folder)
  }

  /** The same as of(), not from memory. */
  ofNow(path: string): Filesystem {
    this.readAt = -Infinity
    this.forget()
    return this.of(path)
  }

  /** Another number whenever something else is mounted. */
  get version(): number {
    this.refresh()
    return this.changes
  }

  /** Whether something distant is mounted at this very path: looking at it would ask that. */
  isMountPoint(path: string): boolean {
    return this.points.has(path)
  }

  /** What was found counts as long as the list of mounts stays the same, which is seen after a second at the latest. */
  private refresh(): void {
    const now = this.system.now()
    if (now - this.readAt < LIST_LASTS) return
    this.readAt = now
    const list = this.read()
    if (list?.text === this.list?.text) return
    this.list = list
    const distant = list?.mounts.filter((mount) => classify(mount).distant) ?? []
    this.points = new Set(distant.map(({ point }) => point))
    this.forget()
    this.changes++
    this.system.changed()
  }

  private read(): MountList | null {
    try {
      return this.system.mounts()
    } catch {
      return null
    }
  }

  private forget(): void {
    this.byFolder.clear()
    this.last = undefined
  }

  /** Refuses a filesystem whose locks do not exclude, and tells once of each mount where they may not. */
  admit({ target, lockfile, filesystem, strict }: LockTarget): void {
    if (filesystem.kind === 'local') return
    const { kind, type, mount, source, reason } = filesystem
    const place = [source, mount].filter((text) => text !== '').join(' at ')
    const where = `${lockfile} lies on ${place === '' ? 'an unknown filesystem' : `${type} (${place})`}`
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
    this.readAt = -Infinity // something may have been mounted there this very second
    this.refresh()
    const filesystem = this.look(folder)
    if (this.byFolder.size >= MOST_FOLDERS) this.byFolder.clear()
    this.byFolder.set(folder, filesystem)
    return filesystem
  }

  private look(folder: string): Filesystem {
    if (this.list === null) return unknownFilesystem('the list of mounts cannot be read')
    return this.walk(this.list, folder)
  }

  private walk(list: MountList, folder: string): Filesystem {
    const at = (path: string): Filesystem => {
      const mount = list.at(path)
      return mount === undefined ? unknownFilesystem('the system lists no mount there') : classify(mount)
    }
    const { root } = parse(folder)
    const rest = names(folder.slice(root.length))
    let path = root
    for (let links = 0; !at(path).distant;) {
      const name = rest.shift()
      if (name === undefined) return this.secondOpinion(at(path), path)
      const next = name === '..' ? dirname(path) : join(path, name)
      const destination = at(next).distant ? null : this.system.link(next)
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
      const type = distantType(fs().statfsSync(folder).type)
      if (type === undefined) return first
      return classify({ type, point: first.mount, source: first.source, options: [] })
    } catch {
      return first
    }
  }
}

function names(path: string): string[] {
  return path.split(sep).filter((name) => name !== '' && name !== '.')
}
