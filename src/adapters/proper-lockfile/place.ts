// Which lock is meant: the file by its one name, and the lock file beside it.
import fs from 'node:fs'
import { resolve } from 'node:path'

import { invalidType } from '../../errors.js'
import { followsLinks, type UnlockOptions } from './options.js'

export interface Place {
  /** Locks of this process are known by it. */
  readonly file: string
  readonly lockfile: string
}

/** As `holdfast` names them, so that acquire() of the same file takes the same lock. */
const SUFFIX = '.hold'

interface Paths {
  realpath(file: string, callback: (error: Error | null, path: string) => void): void
}

interface SyncPaths {
  realpathSync(file: string): string
}

/** Node's own: the system answers in one step, and what it refuses is asked for as the original asks, folder by folder. */
const NODE: Paths & SyncPaths = {
  realpath(file, callback) {
    fs.realpath.native(file, (error, path) => (error ? fs.realpath(file, callback) : callback(null, path)))
  },
  realpathSync(file) {
    try {
      return fs.realpathSync.native(file)
    } catch {
      return fs.realpathSync(file)
    }
  },
}

export async function placeOf(file: string, options: UnlockOptions | undefined): Promise<Place> {
  if (!followsLinks(options)) return named(resolve(file), options)
  const paths = options?.fs ?? NODE
  if (!isPaths(paths)) throw invalidType('options.fs.realpath', 'a function', undefined)
  const real = await new Promise<string>((resolve, reject) => {
    paths.realpath(file, (error, path) => (error ? reject(error) : resolve(path)))
  })
  return named(real, options)
}

export function placeOfSync(file: string, options: UnlockOptions | undefined): Place {
  if (!followsLinks(options)) return named(resolve(file), options)
  const paths = options?.fs ?? NODE
  if (!isSyncPaths(paths)) throw invalidType('options.fs.realpathSync', 'a function', undefined)
  return named(paths.realpathSync(file), options)
}

function named(file: string, options: UnlockOptions | undefined): Place {
  return { file, lockfile: options?.lockfilePath || file + SUFFIX }
}

function isPaths(value: unknown): value is Paths {
  return isObject(value) && 'realpath' in value && typeof value.realpath === 'function'
}

function isSyncPaths(value: unknown): value is SyncPaths {
  return isObject(value) && 'realpathSync' in value && typeof value.realpathSync === 'function'
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
