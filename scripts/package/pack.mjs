// The package as npm publishes it, and the same as a later version would be.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { run } from './command.mjs'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Packs into `folder`: the archive, what is in it, and its size in bytes. */
export function pack(folder) {
  // npm prints what its scripts print before the list.
  const { stdout } = run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT })
  const [{ filename, files, size }] = JSON.parse(stdout.slice(stdout.search(/^\[$/m)))
  const archive = join(folder, filename)
  run('tar', ['-xzf', archive, '-C', folder])
  return { archive, size, files: files.map(({ path }) => path).sort(), unpacked: join(folder, 'package') }
}

/** What stands in the record for a field that a later version adds. */
const FIRST_OF_HOLDER = '`"pid":'
const LATER_FIELD = '`"later":{"deep":[1]},"pid":'

/** Packs a version that is newer and adds a field to the record. */
export function packLater(folder, { unpacked }) {
  const later = join(folder, 'later', 'package')
  cpSync(unpacked, later, { recursive: true })
  change(join(later, 'package.json'), /"version": "[^"]+"/, '"version": "99.0.0"')
  const [composing] = readdirSync(join(later, 'dist'), { recursive: true })
    .map((name) => join(later, 'dist', name))
    .filter((file) => file.endsWith('.js') && readFileSync(file, 'utf8').includes(FIRST_OF_HOLDER))
  if (composing === undefined) throw new Error(`nothing in dist composes a record from ${FIRST_OF_HOLDER}`)
  change(composing, FIRST_OF_HOLDER, LATER_FIELD)
  const archive = join(folder, 'later.tgz')
  run('tar', ['-czf', archive, '-C', join(folder, 'later'), 'package'])
  return archive
}

function change(file, from, to) {
  const text = readFileSync(file, 'utf8')
  const changed = text.replace(from, () => to)
  if (changed === text) throw new Error(`${file} has no ${from}`)
  writeFileSync(file, changed)
}
