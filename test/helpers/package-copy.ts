// The package as it lies in node_modules, with the binaries that a test puts into it. No two copies share modules, state
// or addon.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { scratch } from './scratch.js'

type Package = typeof import('../../src/index.js')

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PARTS = ['dist', 'package.json', 'node_modules/node-gyp-build']

export const BUILT = join('build', 'Release', 'holdfast.node')
export const PREBUILDS = join('prebuilds', `${process.platform}-${process.arch}`)

/** The bytes of an addon that works here. */
export const addon: Buffer = readFileSync(join(ROOT, BUILT))

export class PackageCopy {
  readonly folder: string

  constructor(binaries: Record<string, Buffer | string>, folder = join(scratch(), 'node_modules', 'holdfast')) {
    this.folder = folder
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    for (const [path, bytes] of Object.entries(binaries)) this.put(path, bytes)
  }

  put(path: string, bytes: Buffer | string): void {
    const file = join(this.folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }

  get entry(): string {
    return pathToFileURL(join(this.folder, 'dist', 'index.js')).href
  }

  async load(): Promise<Package> {
    return (await import(this.entry)) as Package
  }

  /** Whether it locks: a try while it holds the lock itself is refused. */
  async locks(): Promise<boolean> {
    const { tryAcquire } = await this.load()
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    const excluded = tryAcquire(path) === null
    hold?.release()
    return hold !== null && excluded
  }
}
