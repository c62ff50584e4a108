// The package managers, each on a machine without a compiler.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { cacheFolder, fetchTool } from '../cross/cache.mjs'
import { npmSetting } from './command.mjs'

const COMPILERS = ['gcc', 'g++', 'cc', 'c++', 'clang', 'clang++', 'make', 'cmake', 'python', 'python3', 'node-gyp']

function machine({ consumer }) {
  const found = COMPILERS.filter((name) => consumer.tryRun(name, ['--version']).error?.code !== 'ENOENT')
  if (found.length > 0) throw new Error(`PATH has ${found.join(', ')}`)
  return `PATH has node and npm, and no ${COMPILERS.join(', ')}`
}

function npmInstall({ packed, consumer }) {
  consumer.install(packed.archive)
  return consumer.checkLock()
}

function npmInstallWithScripts({ packed, consumer }) {
  silent(consumer.npm('install', packed.archive))
  silent(consumer.npm('install')) // with a lockfile, npm knows less of the package
  return consumer.checkLock()
}

function npmCi({ packed, consumer }) {
  consumer.install(packed.archive)
  consumer.npm('ci', '--ignore-scripts')
  return consumer.checkLock()
}

function npmCiWithScripts({ packed, consumer }) {
  consumer.install(packed.archive)
  silent(consumer.npm('ci'))
  return consumer.checkLock()
}

function pnpm({ packed, consumer }) {
  consumer.describe({ dependencies: { holdfast: `file:${packed.archive}` } })
  const args = [fetchTool('pnpm'), 'install', '--prefer-offline', '--store-dir', cacheFolder('pnpm')]
  const registry = { npm_config_registry: npmSetting('registry') }
  silent(consumer.run('node', args, { env: registry }))
  return consumer.checkLock()
}

function yarnModules({ packed, consumer }) {
  yarnInstall(consumer, packed, 'node-modules')
  return consumer.checkLock()
}

function yarnPlugAndPlay({ packed, consumer }) {
  const env = yarnInstall(consumer, packed, 'pnp')
  if (existsSync(join(consumer.folder, 'node_modules'))) throw new Error('there is a node_modules')
  return consumer.checkLock(['node', fetchTool('yarn'), 'node'], { peer: ['node'], env })
}

function yarnInstall(consumer, packed, nodeLinker) {
  consumer.describe({ dependencies: { holdfast: `file:${packed.archive}` } })
  consumer.write('yarn.lock', '')
  const env = yarnEnvironment(nodeLinker)
  silent(consumer.run('node', [fetchTool('yarn'), 'install', '--no-immutable'], { env }))
  return env
}

/** Yarn reads nothing of npm's settings. */
function yarnEnvironment(nodeLinker) {
  const cafile = npmSetting('cafile')
  return {
    YARN_NODE_LINKER: nodeLinker,
    YARN_NPM_REGISTRY_SERVER: npmSetting('registry'),
    YARN_GLOBAL_FOLDER: cacheFolder('yarn'),
    YARN_ENABLE_TELEMETRY: '0',
    ...(cafile === undefined ? {} : { YARN_HTTPS_CA_FILE_PATH: cafile }),
  }
}

/** An installer that was not asked to build anything has nothing to say about it. */
function silent({ output }) {
  if (/scripts?\b|gyp/i.test(output.replaceAll(/node-gyp-build|--ignore-scripts/g, ''))) throw new Error(output)
}

export const installers = {
  'a machine without a compiler': machine,
  'npm install --ignore-scripts': npmInstall,
  'npm install': npmInstallWithScripts,
  'npm ci --ignore-scripts': npmCi,
  'npm ci': npmCiWithScripts,
  pnpm,
  'yarn, node-modules': yarnModules,
  'yarn, plug and play': yarnPlugAndPlay,
}
