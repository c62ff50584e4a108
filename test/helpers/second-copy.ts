// Another copy of the package, as a dependency tree with two versions has it: modules, state and addon of its own.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { scratch } from './scratch.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PARTS = ['dist', 'build/Release', 'package.json', 'node_modules/node-gyp-build']

type Package = typeof import('../../src/index.js')

export async function secondCopy(): Promise<Package> {
  const folder = scratch()
  for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  return (await import(pathToFileURL(join(folder, 'dist/index.js')).href)) as Package
}
