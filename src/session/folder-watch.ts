// Tells when something may have happened to a file, as far as the system tells of its folder.
import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'

export class FolderWatch {
  private readonly tell: () => void
  private path = ''
  private watcher: FSWatcher | null = null
  private closed = false

  constructor(tell: () => void) {
    this.tell = tell
  }

  get watched(): boolean {
    return this.watcher !== null
  }

  /** Watches what happens to the file at `path`, if that can be watched. True where it has begun just now. */
  follow(path: string): boolean {
    if (this.closed || (path === this.path && this.watcher !== null)) return false
    this.watcher?.close()
    this.watcher = null
    this.path = path
    const name = basename(path).normalize()
    try {
      const watcher = watch(dirname(path), (_, changed) => {
        if (changed === null || changed.normalize() === name) this.tell()
      })
      watcher.on('error', () => this.lose(watcher))
      this.watcher = watcher
    } catch {
      return false // the folder is missing, or too many are watched: the next look tries again
    }
    return true
  }

  close(): void {
    this.closed = true
    this.watcher?.close()
    this.watcher = null
  }

  private lose(watcher: FSWatcher): void {
    watcher.close()
    if (this.watcher === watcher) this.watcher = null
    this.tell()
  }
}
