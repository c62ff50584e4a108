// Somebody who installs the package: a project of his own outside the checkout, on a machine without a compiler.
import { cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { run, tryRun } from './command.mjs'
import { ROOT } from './pack.mjs'

const FIXTURES = join(ROOT, 'test', 'package', 'fixtures')

/** What an npm that runs us says of our own package, and what would hide an install script. */
const OURS =
  /^(npm_(package|lifecycle|command|execpath|config_(local_prefix|ignore_scripts|yes))|INIT_CWD$|NODE_PATH$)/i

/** A folder with node and npm and nothing else, to be the whole PATH. */
export function pathWithoutCompiler(folder) {
  mkdirSync(folder)
  symlinkSync(process.execPath, join(folder, 'node'))
  symlinkSync(find('npm'), join(folder, 'npm'))
  return folder
}

function find(program) {
  for (const folder of process.env.PATH.split(delimiter)) {
    try {
      return realpathSync(join(folder, program))
    } catch {
      // It is not in this one.
    }
  }
  throw new Error(`there is no ${program} on PATH`)
}

export class Consumer {
  #env

  constructor(folder, path) {
    this.folder = folder
    this.#env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)))
    this.#env.PATH = path
    mkdirSync(folder)
    this.describe({})
  }

  /** Writes his package.json. */
  describe(manifest) {
    const always = { name: 'consumer', private: true, type: 'module' }
    this.write('package.json', JSON.stringify({ ...always, ...manifest }))
  }

  write(name, text) {
    writeFileSync(join(this.folder, name), text)
  }

  copy(fixture) {
    cpSync(join(FIXTURES, fixture), this.folder, { recursive: true })
  }

  run(command, args, options) {
    return run(command, args, this.#in(options))
  }

  tryRun(command, args, options) {
    return tryRun(command, args, this.#in(options))
  }

  npm(...args) {
    return this.run('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'])
  }

  /** Installs as on a machine where install scripts are forbidden. */
  install(...packages) {
    return this.npm('install', '--ignore-scripts', ...packages)
  }

  /** Runs fixtures/lock and answers how many promises were kept. Throws when one was not. */
  checkLock(command = ['node'], { peer = command, env } = {}) {
    this.copy('lock')
    return this.checkPromises('check.mjs', command, { peer, env })
  }

  checkPromises(program, [runtime, ...args] = ['node'], { peer = [runtime, ...args], ...options } = {}) {
    const { stdout } = this.run(runtime, [...args, program, JSON.stringify(peer)], options)
    const lines = stdout.trim().split('\n')
    if (!lines.every((line) => line.endsWith(': ok'))) throw new Error(stdout)
    return `${lines.length} promises`
  }

  #in({ env = {}, cwd = this.folder, ...options } = {}) {
    return { ...options, cwd, env: { ...this.#env, ...env } }
  }
}
