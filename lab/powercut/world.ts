// The first file system of the guest, which lies in its memory: busybox, this Node with its libraries, the project, the modules
// of the kernel that reach the disk, and the script that starts all that.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { FOLDER, PROGRAM, writeArchive, type Entry } from './cpio.js'
import type { Kernel } from './requirements.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PROJECT = 'holdfast'
const BUSYBOX = 'bin/busybox'
const NODE = 'bin/node'

/** Each after those that it needs. What a kernel has built in is not there as a module. */
const MODULES = [
  ...['virtio', 'virtio_ring', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'],
  ...['virtio_console', 'crc16', 'crc32c_generic', 'libcrc32c', 'mbcache', 'jbd2', 'ext4', 'xfs'],
]

/** The names in braces are words of the kernel's command line, which it gives to its first program. */
function script(modules: readonly string[]): string {
  const guest = `/${PROJECT}/lab/dist/powercut/guest.js`
  return `#!/${BUSYBOX} sh
busybox() { /${BUSYBOX} "$@"; }
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
for module in ${modules.join(' ')}; do busybox insmod /modules/$module; done
port=
until [ -c "$port" ] && [ -b /dev/vda ]; do
  for port in /dev/vport*; do :; done
  busybox usleep 2000
done
busybox mount -t "$hf_filesystem" -o "$hf_options" /dev/vda /data ||
  echo '{"kind":"failed","why":"the filesystem cannot be mounted"}' > "$port"
exec /${NODE} ${guest} "$port" "$hf_boot" /data
`
}

/** `addon`: of a build of its own; `dist`: replaces what the project has. */
export interface Product {
  readonly addon: string
  readonly dist: string
}

export const PRODUCT: Product = { addon: join(ROOT, 'build', 'Release', 'holdfast.node'), dist: join(ROOT, 'dist') }

export function makeWorld(archive: string, kernel: Kernel, product: Product): void {
  writeArchive(archive, withFolders(filesOf(kernel, product)))
}

function* filesOf(kernel: Kernel, product: Product): Generator<Entry> {
  yield* programs([
    [pathOf('busybox'), BUSYBOX],
    [process.execPath, NODE],
  ])
  yield* treeOf(product.dist, `${PROJECT}/dist`, '.js')
  yield* treeOf(join(ROOT, 'lab', 'dist', 'powercut'), `${PROJECT}/lab/dist/powercut`, '.js')
  yield* treeOf(join(ROOT, 'lab', 'dist', 'history'), `${PROJECT}/lab/dist/history`, 'random.js')
  yield* treeOf(join(ROOT, 'node_modules', 'node-gyp-build'), `${PROJECT}/node_modules/node-gyp-build`, '')
  yield copyOf(join(ROOT, 'package.json'), `${PROJECT}/package.json`)
  yield copyOf(product.addon, `${PROJECT}/build/Release/holdfast.node`)
  const modules = modulesOf(kernel)
  for (const [name, bytes] of modules) yield { name: `modules/${name}`, mode: PROGRAM, bytes }
  yield { name: 'init', mode: PROGRAM, bytes: Buffer.from(script([...modules.keys()])) }
  for (const name of ['proc', 'sys', 'dev', 'data', 'tmp']) yield { name, mode: FOLDER, bytes: Buffer.alloc(0) }
}

function copyOf(path: string, name: string): Entry {
  return { name, mode: PROGRAM, bytes: readFileSync(path) }
}

/** With the libraries that they load, where they expect them. */
function* programs(wanted: readonly (readonly [path: string, name: string])[]): Generator<Entry> {
  const libraries = new Set<string>()
  for (const [path, name] of wanted) {
    yield copyOf(path, name)
    const { stdout } = spawnSync('ldd', [path], { encoding: 'utf8' }) // it fails where there is none
    for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) libraries.add(library)
  }
  for (const library of libraries) yield copyOf(library, library.slice(1))
}

function pathOf(program: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/bin']
  for (const folder of folders) {
    try {
      return realpathSync(join(folder, program))
    } catch {
      // the next one
    }
  }
  throw new Error(`Expected the program ${program}`)
}

function* treeOf(folder: string, name: string, ending: string): Generator<Entry> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* treeOf(path, `${name}/${entry.name}`, ending)
    else if (entry.name.endsWith(ending)) yield copyOf(path, `${name}/${entry.name}`)
  }
}

const UNPACKERS: Readonly<Record<string, string>> = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }

/** By their names in the guest, in the order in which they are loaded. */
function modulesOf({ modules }: Kernel): Map<string, Buffer> {
  const paths = readdirSync(modules, { recursive: true, encoding: 'utf8' })
  const found = new Map<string, Buffer>()
  for (const name of MODULES) {
    const path = paths.find((candidate) => basename(candidate).replace(/-/g, '_').startsWith(`${name}.ko`))
    if (path !== undefined) found.set(`${name}.ko`, unpacked(join(modules, path)))
  }
  return found
}

function unpacked(path: string): Buffer {
  const program = UNPACKERS[/\.(xz|zst|gz)$/.exec(path)?.[0] ?? '']
  if (program === undefined) return readFileSync(path)
  const { status, stdout } = spawnSync(program, ['-dc', path], { maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`Expected the program ${program}, for ${path}`)
  return stdout
}

/** Each folder before what lies in it, once. */
function* withFolders(entries: Iterable<Entry>): Generator<Entry> {
  const made = new Set<string>(['.'])
  for (const entry of entries) {
    yield* foldersOf(entry.name, made)
    if (entry.mode !== FOLDER || !made.has(entry.name)) yield entry
    if (entry.mode === FOLDER) made.add(entry.name)
  }
}

function* foldersOf(name: string, made: Set<string>): Generator<Entry> {
  const folder = dirname(name)
  if (made.has(folder)) return
  yield* foldersOf(folder, made)
  made.add(folder)
  yield { name: folder, mode: FOLDER, bytes: Buffer.alloc(0) }
}
