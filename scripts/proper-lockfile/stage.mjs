// A copy of the suite that tests the adapter: what it requires as the original is the adapter, by require() as programs do.
//
// Its tests stay as they are, but for what they do to the lock file behind the original's back: that is called `foo.hold`
// here, and is a file.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const ROOT = dirname(dirname(import.meta.dirname))

const LOCK_FILE = [
  [/\b(foo|bar)\.lock\b/g, '$1.hold'],
  [/\bfs\.rmdirSync\((?=.*\.hold)/g, 'fs.rmSync('],
]

const CONFIG = {
  globals: true,
  include: ['test/*.test.js'],
  setupFiles: ['./setup.mjs'],
  // All of them use one folder.
  fileParallelism: false,
  // A few cases last some seconds and say nothing of that.
  testTimeout: 20_000,
}

export function stage(checkout, folder) {
  const suite = resolve(checkout)
  if (!existsSync(join(suite, 'test'))) throw new Error(`${suite} is no checkout of proper-lockfile: it has no test/`)
  cpSync(join(suite, 'test'), join(folder, 'test'), { recursive: true })
  const scripts = readdirSync(join(folder, 'test'), { recursive: true }).filter((name) => name.endsWith('.js'))
  for (const name of scripts) edit(join(folder, 'test', name))
  mkdirSync(join(folder, 'lib'))
  writeFileSync(join(folder, 'index.js'), `module.exports = require(${built('adapters/proper-lockfile.js')})\n`)
  writeFileSync(join(folder, 'lib', 'lockfile.js'), getLocks())
  writeFileSync(join(folder, 'setup.mjs'), 'globalThis.jest = vi\n')
  writeFileSync(join(folder, 'vitest.config.mjs'), `export default ${JSON.stringify({ test: CONFIG })}\n`)
  install(suite, folder, scripts)
}

function edit(file) {
  const text = readFileSync(file, 'utf8')
  const edited = LOCK_FILE.reduce((text, [from, to]) => text.replace(from, to), text)
  if (edited !== text) writeFileSync(file, edited)
}

/** The inner list by which the suite unlocks all after each case: files without links. */
function getLocks() {
  return `const { holds } = require(${built('index.js')})
const nameOf = ({ path, lockfile }) => (lockfile.endsWith('.hold') ? lockfile.slice(0, -'.hold'.length) : path)
module.exports.getLocks = () => Object.fromEntries(holds().map((hold) => [nameOf(hold), hold]))
`
}

function built(file) {
  return JSON.stringify(join(ROOT, 'dist', file))
}

/** The packages that the tests require: the checkout's where it has them, else as its manifest wants them. */
function install(suite, folder, scripts) {
  const names = new Set(scripts.flatMap((name) => packagesOf(readFileSync(join(folder, 'test', name), 'utf8'))))
  const modules = join(suite, 'node_modules')
  if ([...names].every((name) => existsSync(join(modules, name)))) {
    if (names.size > 0) symlinkSync(modules, join(folder, 'node_modules'), 'junction')
    return
  }
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(suite, 'package.json'), 'utf8'))
  const versions = { ...devDependencies, ...dependencies }
  const wanted = Object.fromEntries([...names].map((name) => [name, versions[name]]))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: wanted }))
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', ['install', ...options], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm could not install what the suite needs: ${[...names].join(', ')}`)
}

function packagesOf(text) {
  const required = [...text.matchAll(/require\('([^'.][^']*)'\)/g)].map((match) => match[1])
  return required.filter((name) => !isBuiltin(name))
}
