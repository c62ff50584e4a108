// What a run needs from the system: found, or installed where that is allowed (root and apt-get).
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const ARM64_LIBRARIES = ['libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libatomic1-arm64-cross']

export const NEEDS = {
  wine: { found: () => starts('wine', '--version'), packages: ['wine', 'wine64'] },
  cmake: { found: () => starts('cmake', '--version'), packages: ['cmake', 'make'] },
  'a C++ compiler': { found: () => starts('g++', '--version'), packages: ['g++'] },
  'a C++ compiler for arm64': {
    found: () => starts('aarch64-linux-gnu-g++', '--version'),
    packages: ['g++-aarch64-linux-gnu'],
  },
  'an emulator of arm64': { found: () => starts('qemu-aarch64-static', '--version'), packages: ['qemu-user-static'] },
  'the C library for arm64': {
    found: () => existsSync('/usr/aarch64-linux-gnu/lib/libatomic.so.1'),
    packages: ARM64_LIBRARIES,
  },
  musl: { found: () => existsSync('/lib/ld-musl-x86_64.so.1'), packages: ['musl'] },
}

/** Why one of `names` (keys of NEEDS) is not to be had; null when all of them are there. */
export function missing(...names) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'prepared on Linux on x64 only'
  for (const name of names) {
    const { found, packages } = NEEDS[name]
    if (found()) continue
    if (process.getuid() !== 0) return `there is no ${name}, and only root can install it`
    if (!starts('apt-get', '--version')) return `there is no ${name}, and no apt-get to install it`
    console.log(`installing ${packages.join(' ')}`)
    starts('apt-get', 'update', '-q')
    starts('apt-get', 'install', '-q', '-y', '--no-install-recommends', ...packages)
    if (!found()) return `there is no ${name}, and installing it failed`
  }
  return null
}

function starts(program, ...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync(program, args, { stdio: 'ignore', env }).status === 0
}
