// Programs for musl, the C library of Alpine, on a Debian. There is no Node for musl to be had from npm; Bun is a host of
// Node-API that has one.
//
// Bun asks for a libstdc++, which Debian has for glibc only. It gets a stand-in: those parts of the compiler's static
// libstdc++ which Bun uses, and which need nothing of glibc.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { cacheFolder } from '../cross/cache.mjs'

/** Puts libstdc++.so.6 for `command` into `folder`. The loader itself says which names the program lacks. */
export function makeStandIn(compiler, source, command, folder) {
  mkdirSync(folder, { recursive: true })
  const [program, ...args] = command
  const { stderr } = spawnSync(program, [...args, '--version'], { encoding: 'utf8' })
  const names = [...stderr.matchAll(/: (\w+): symbol not found/g)].map(([, name]) => `-Wl,-u,${name}`)
  // Nothing by default: glibc must not come in with it.
  const options = ['-shared', '-fPIC', '-O1', '-nodefaultlibs', '-Wl,-soname,libstdc++.so.6']
  const libraries = ['-l:libstdc++.a', '-l:libgcc_eh.a', '-lgcc']
  const output = ['-o', join(folder, 'libstdc++.so.6')]
  const compiled = spawnSync(compiler, [...options, ...output, source, ...names, ...libraries], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`${compiler} failed:\n${compiled.error?.message ?? compiled.stderr}`)
}

/** A folder with musl for arm64 as its system, for the emulator. Debian's own package, unpacked beside the system. */
export function muslForArm64() {
  const folder = cacheFolder('musl-arm64')
  const system = join(folder, 'system')
  if (existsSync(join(system, 'lib', 'ld-musl-aarch64.so.1'))) return system
  const lists = join(folder, 'lists')
  mkdirSync(join(lists, 'partial'), { recursive: true })
  const options = {
    'Dir::State::lists': lists,
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'APT::Architecture': 'arm64',
    'APT::Architectures': 'arm64',
    'APT::Sandbox::User': 'root',
  }
  const set = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  for (const command of [['update'], ['download', 'musl']]) {
    const { status } = spawnSync('apt-get', [...set, '-q', ...command], { cwd: folder, stdio: 'ignore' })
    if (status !== 0) throw new Error(`apt-get ${command.join(' ')} for arm64 failed`)
  }
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
  const { status } = spawnSync('dpkg', ['-x', join(folder, archive), system], { stdio: 'ignore' })
  if (status !== 0) throw new Error(`${archive} cannot be unpacked`)
  return system
}
