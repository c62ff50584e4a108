// How a program may be written and built: CommonJS, TypeScript in its module systems, a bundle, two versions at once.
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import { packLater } from './pack.mjs'
import { tool } from './skip.mjs'

const require = createRequire(import.meta.url)
const TSC = require.resolve('typescript/bin/tsc')
const { version: nodeTypes } = require('@types/node/package.json')

function requires({ packed, consumer }) {
  consumer.install(packed.archive)
  consumer.copy('require')
  return consumer.run('node', ['check.cjs']).stdout.trim()
}

/** Compiles without skipLibCheck and without the DOM, and runs what comes of it. */
function typescript(source, ...options) {
  return ({ packed, consumer }) => {
    consumer.install(packed.archive, `@types/node@${nodeTypes}`)
    consumer.copy('typescript')
    const flags = ['--strict', '--target', 'es2022', '--lib', 'es2022', '--types', 'node', '--pretty', 'false']
    consumer.run('node', [TSC, ...flags, ...options, source])
    return consumer.run('node', [source.replace(/ts$/, 'js')]).stdout.trim()
  }
}

/** Of the package's types, those of AbortSignal and URL come from @types/node or from the DOM; without both, tsc says so. */
function withoutNodeTypes({ packed, consumer }) {
  consumer.install(packed.archive)
  consumer.write('main.ts', "export { acquire } from 'holdfast'\n")
  const compile = (lib) => {
    const args = [TSC, '--strict', '--noEmit', '--target', 'es2022', '--lib', lib, '--module', 'nodenext', 'main.ts']
    return consumer.tryRun('node', [...args, '--pretty', 'false']).stdout
  }
  const [bare, dom] = [compile('es2022'), compile('es2022,dom')]
  const missing = new Set([...bare.matchAll(/Cannot find name '(\w+)'/g)].map(([, name]) => name))
  if ([...missing].sort().join() !== 'AbortSignal,URL' || dom !== '') throw new Error(bare + dom)
  return 'needs the DOM in lib, for AbortSignal and URL'
}

function bundleAround({ packed, consumer }) {
  const out = bundle({ packed, consumer }, '--external:holdfast')
  return consumer.checkPromises('check.mjs', undefined, { cwd: out })
}

function bundleWithBinaries({ packed, consumer }) {
  const out = bundle({ packed, consumer })
  keepBinariesOnly(consumer, out)
  return consumer.checkPromises('check.mjs', undefined, { cwd: out })
}

/** CommonJS has no import.meta.url, by which the package finds its binaries. */
const URL_OF_BUNDLE = [
  '--define:import.meta.url=__url',
  '--banner:js=const __url = require("node:url").pathToFileURL(__filename).href',
]

function bundleInCommonJs({ packed, consumer }) {
  consumer.install(packed.archive)
  consumer.copy('require')
  const flags = ['--bundle', '--platform=node', '--format=cjs', '--outfile=out/check.cjs']
  consumer.run(tool('esbuild'), ['check.cjs', ...flags, ...URL_OF_BUNDLE])
  const out = join(consumer.folder, 'out')
  keepBinariesOnly(consumer, out)
  return consumer.run('node', ['check.cjs'], { cwd: out }).stdout.trim()
}

/** Beside the output, nothing else of the package is needed. */
function keepBinariesOnly(consumer, out) {
  cpSync(join(consumer.folder, 'node_modules', 'holdfast', 'prebuilds'), join(out, 'prebuilds'), { recursive: true })
  rmSync(join(consumer.folder, 'node_modules'), { recursive: true })
}

function bundleWithoutBinaries({ packed, consumer }) {
  const out = bundle({ packed, consumer })
  rmSync(join(consumer.folder, 'node_modules'), { recursive: true })
  const { output } = consumer.tryRun('node', ['peer.mjs', 'data', 'holdfast'], {
    cwd: out,
    input: 'try\n',
    stdio: 'pipe',
  })
  if (!output.includes('ERR_LOCK_ADDON') || !output.includes(join(out, 'prebuilds'))) throw new Error(output)
  return 'ERR_LOCK_ADDON'
}

function bundle({ packed, consumer }, ...options) {
  consumer.install(packed.archive)
  consumer.copy('lock')
  const programs = ['check.mjs', 'peer.mjs', 'worker.mjs']
  const flags = ['--bundle', '--platform=node', '--format=esm', '--outdir=out', '--out-extension:.js=.mjs']
  consumer.run(tool('esbuild'), [...programs, ...flags, ...options])
  return join(consumer.folder, 'out')
}

function twoVersions({ packed, consumer }) {
  consumer.install(packed.archive, `later@file:${packLater(consumer.folder, packed)}`)
  consumer.copy('lock')
  consumer.copy('two-versions')
  return consumer.checkPromises('versions.mjs')
}

/** As `npx holdfast` finds it, from a project that only installed the package. */
function commandLine({ packed, consumer }) {
  consumer.install(packed.archive)
  const holdfast = join(consumer.folder, 'node_modules', '.bin', 'holdfast')
  const { stdout } = consumer.run(holdfast, ['run', 'data', '--', 'node', '-p', 'process.env.HOLDFAST_FENCE'])
  if (!/^\d+\n$/.test(stdout)) throw new Error(stdout)
  return consumer.run(holdfast, ['--version']).stdout.trim()
}

export const programs = {
  'require()': requires,
  'typescript, node16': typescript('esm.mts', '--module', 'node16'),
  'typescript, nodenext': typescript('esm.mts', '--module', 'nodenext'),
  'typescript, nodenext from CommonJS': typescript('commonjs.cts', '--module', 'nodenext'),
  'typescript, bundler': typescript('esm.mts', '--module', 'esnext', '--moduleResolution', 'bundler'),
  'typescript without the types of node': withoutNodeTypes,
  'esbuild, external': bundleAround,
  'esbuild, with the binaries beside it': bundleWithBinaries,
  'esbuild, to CommonJS': bundleInCommonJs,
  'esbuild, without the binaries': bundleWithoutBinaries,
  'two versions': twoVersions,
  'command line': commandLine,
}
