// What is in the package, and what its manifest says of it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { run } from './command.mjs'
import { ROOT } from './pack.mjs'

const LARGEST = 700 * 1000
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']

/** Every file of test/package/files.txt, the types of what can be imported, and nothing else. */
function files({ packed }) {
  const listed = readFileSync(join(ROOT, 'test', 'package', 'files.txt'), 'utf8')
    .trim()
    .split('\n')
  const meant = new Set([...listed, ...compiled()])
  const found = new Set(packed.files)
  const faults = [
    ...[...meant].filter((file) => !found.has(file)).map((file) => `missing: ${file}`),
    ...[...found].filter((file) => !meant.has(file)).map((file) => `not meant to be there: ${file}`),
  ]
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return `${found.size} files`
}

/** Of what programs import, and not of the program. */
function compiled() {
  return readdirSync(join(ROOT, 'src'), { recursive: true })
    .filter((file) => file.endsWith('.ts') && !/^cli\b/.test(file))
    .map((file) => join('dist', file.replace(/\.ts$/, '.d.ts')))
}

function size({ packed }) {
  const text = `${Math.round(packed.size / 1000)} kB of at most ${LARGEST / 1000}`
  if (packed.size > LARGEST) throw new Error(text)
  return text
}

/** Nothing that runs, and nothing that asks for a compiler, while somebody installs the package. */
function manifest({ packed }) {
  const { scripts, os, cpu, libc, preferUnplugged } = JSON.parse(readFileSync(join(packed.unpacked, 'package.json')))
  const faults = [
    ...INSTALL_SCRIPTS.filter((name) => name in scripts).map((name) => `it has the script ${name}`),
    // npm reads "gypfile": false from the registry only: with a lockfile it builds wherever it sees this file.
    ...(existsSync(join(packed.unpacked, 'binding.gyp')) ? ['it has a binding.gyp, for which installers compile'] : []),
    ...Object.keys({ os, cpu, libc }).filter((name) => ({ os, cpu, libc })[name] !== undefined),
    ...(preferUnplugged === true ? [] : ['it does not ask Yarn to be unplugged']),
  ]
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function publint({ packed }) {
  const program = join(ROOT, 'node_modules', 'publint', 'src', 'cli.js')
  run(process.execPath, [program, 'run', packed.unpacked, '--strict', '--pack', 'false'])
}

function typesWrong({ packed }) {
  const program = join(ROOT, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js')
  run(process.execPath, [program, packed.archive, '--profile', 'esm-only', '--no-color'])
}

export const contents = {
  'files of the package': files,
  'size of the package': size,
  'manifest of the package': manifest,
  publint,
  'are the types wrong': typesWrong,
}
