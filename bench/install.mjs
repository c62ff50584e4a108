// Installs the peers into bench/node_modules. Two of them compile: with the running Node's own headers where it has them.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const prefix = dirname(dirname(process.execPath))
const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? { npm_config_nodedir: prefix } : {}

const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
  cwd: import.meta.dirname,
  env: { ...process.env, ...headers },
  stdio: 'inherit',
  shell: process.platform === 'win32',
})
process.exit(status ?? 1)
