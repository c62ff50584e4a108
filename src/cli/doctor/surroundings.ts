// What this runs on: system, Node, C library, and which addon was loaded.
import { createRequire } from 'node:module'
import { release, type } from 'node:os'
import { basename } from 'node:path'

import { filesystemOf } from '../../cli-door.js'
import { withoutHome } from '../report/place.js'
import { failed, ok, type Check } from './check.js'

/** Finds this package by its name, from the sources as from what is built. */
const load = createRequire(import.meta.url)

export function checkSystem(): Check {
  const { version } = load('holdfast/package.json') as { version: string }
  const library = cLibrary()
  const parts = [
    `holdfast ${version}`,
    `Node ${process.versions.node}`,
    `${type()} ${release()} ${process.arch}`,
    ...(library === null ? [] : [library]),
  ]
  return ok('system', parts.join(', '))
}

/** Any call loads it. */
export function checkAddon(folder: string): Check {
  try {
    filesystemOf(folder)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return failed('addon', message, 'install the package again, or build the addon: see docs/platforms.md')
  }
  const loaded = Object.keys(load.cache).filter((file) => file.endsWith('.node'))
  return ok('addon', loaded.map((file) => withoutHome(file)).join(', ') || 'loaded')
}

/** Null on systems that have but one. */
function cLibrary(): string | null {
  if (process.platform !== 'linux') return null
  const glibc = field(field(report(), 'header'), 'glibcVersionRuntime')
  return typeof glibc === 'string' ? `glibc ${basename(glibc)}` : 'musl'
}

function report(): unknown {
  // The names of network peers, which nobody asked for, take long to look up.
  Reflect.set(process.report, 'excludeNetwork', true)
  return process.report.getReport()
}

function field(value: unknown, name: string): unknown {
  return new Map<string, unknown>(Object.entries(value ?? {})).get(name)
}
