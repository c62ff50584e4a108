// Whether a lock file of ours is needed by anybody, and its removal without harm.
//
// It is removed under its own exclusive hold. Whoever opened it before that waits for the lock of a file that has no name any
// more: he is granted it after the hold, sees that the path does not name it, and begins again with the file that is there
// then. Nobody can be granted it in between. This needs two things: that everybody looks again, as holdfast does and flock(1)
// does not; and a filesystem that knows at once what a name means, which a client of a server does not.
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'

import { filesystemOf, RECORD_MAGIC } from '../../cli-door.js'
import { inspect, isLockError, tryAcquire } from '../../index.js'
import type { Finding, Reason, Removal } from './finding.js'

/** A record is no longer, so a longer file has something that is not ours. */
const RECORD_SIZE = 512

/** Null where it is gone by now. */
export function judgeLockFile(path: string, abandonedToo: boolean): Finding | null {
  const finding = (reason: Reason, why: string, pid: number | null = null): Finding => {
    return { path, kind: 'holdfast', reason, why, pid, remove: null }
  }
  const { kind, type } = filesystemOf(dirname(path))
  if (kind !== 'local') return finding('filesystem', `on ${type}, a removal may split the lock in two`)
  try {
    const content = contentOf(path)
    const { state, record, holders } = inspect(path, { lockfile: path })
    const pid = holders[0]?.pid ?? record?.pid ?? null
    if (state === 'held' || holders.length > 0) return finding('held', `held${pid === null ? '' : ` by ${pid}`}`, pid)
    if (!isOurs(content)) return finding('foreign-content', 'its content is not of holdfast')
    if (content.length > 0 && record === null) return finding('unreadable', 'its record cannot be read', pid)
    if (state === 'abandoned' && !abandonedToo) {
      return finding('abandoned', `${pid} died with it; --abandoned removes it too`, pid)
    }
    const why = state === 'abandoned' ? `${pid} died with it` : content.length === 0 ? 'free, and empty' : 'free'
    return { ...finding(state, why, pid), remove: () => removeLockFile(path, content) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    return finding('unreadable', error instanceof Error ? error.message : String(error))
  }
}

/** Only if it still has the content that was judged, or none: one that was used meanwhile is needed. */
function removeLockFile(path: string, judged: Buffer): Removal {
  const hold = tryAcquire(path, { lockfile: path, record: false, label: 'holdfast clean' })
  if (hold === null) return 'busy'
  try {
    const content = contentOf(path)
    if (content.length > 0 && !content.equals(judged)) return 'changed'
    hold.assertHeld()
    // Windows deletes nothing that anybody has open, ourselves included; and everybody who holds or waits has it open. So
    // there the hold must end first, and the system decides.
    if (process.platform === 'win32') hold.release()
    unlinkSync(path)
    return 'removed'
  } catch (error) {
    if (isLockError(error, 'ERR_LOCK_LOST')) return 'changed' // somebody else deleted it
    throw error
  } finally {
    hold.release()
  }
}

function isOurs(content: Buffer): boolean {
  if (content.length === 0) return true
  return content.length <= RECORD_SIZE && content.toString('latin1', 0, RECORD_MAGIC.length) === RECORD_MAGIC
}

/** One byte more than may be ours at the most. */
function contentOf(path: string): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | NO_LINK_NO_WAIT)
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error('it is no regular file')
    const bytes = Buffer.alloc(RECORD_SIZE + 1)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(descriptor)
  }
}

/** Windows knows neither. */
const NO_LINK_NO_WAIT = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK
