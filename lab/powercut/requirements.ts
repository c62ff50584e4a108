// What a run needs of the machine, and what is to be installed where it lacks that.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const QEMU = 'qemu-system-x86_64'

export interface Kernel {
  readonly image: string
  readonly modules: string
  readonly version: string
}

interface Needed {
  readonly program: string
  readonly source: string
}

const PROGRAMS: readonly Needed[] = [
  { program: QEMU, source: 'packages qemu-system-x86 and seabios' },
  { program: 'busybox', source: 'package busybox-static' },
  { program: 'ldd', source: 'package libc-bin' },
]

const KERNEL = `a Linux kernel with its modules. Either install one (package linux-image-cloud-amd64), or unpack one and say where:
    apt-get download "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')"
    dpkg-deb -x linux-image-*.deb FOLDER
    … --kernel FOLDER`

/** What is missing, as lines for people. */
export function lacking(makers: readonly Needed[], kernel: Kernel | null): string[] {
  const lines = [...PROGRAMS, ...makers]
    .filter(({ program }) => !isThere(program))
    .map(({ program, source }) => `${program} (${source})`)
  if (process.platform !== 'linux' || process.arch !== 'x64') lines.unshift('Linux on x86_64')
  if (kernel === null) lines.push(KERNEL)
  return lines
}

function isThere(program: string): boolean {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  return path.split(':').some((folder) => folder !== '' && existsSync(join(folder, program)))
}

/** The newest of the kernels that are there with their modules. */
export function kernelIn(folder: string): Kernel | null {
  const boot = join(folder, 'boot')
  const versions = (existsSync(boot) ? readdirSync(boot) : [])
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter((version) => existsSync(modulesOf(folder, version)))
    .sort((one, two) => one.localeCompare(two, 'en', { numeric: true }))
  const version = versions.at(-1)
  if (version === undefined) return null
  return { image: join(boot, `vmlinuz-${version}`), modules: modulesOf(folder, version), version }
}

function modulesOf(folder: string, version: string): string {
  return join(folder, 'lib', 'modules', version, 'kernel')
}

/** Throws with what the program said where it has failed. */
export function run(program: string, args: readonly string[], cwd?: string): string {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  const options = { encoding: 'utf8', env, ...(cwd !== undefined && { cwd }) } as const
  const { status, stdout, stderr, error } = spawnSync(program, args, options)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`)
  return stdout
}
