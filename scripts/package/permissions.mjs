// The narrowest permissions with which the package works, and what is said when one more is missing.
import { mkdirSync } from 'node:fs'
import { join, sep } from 'node:path'

import { Skip, tool } from './skip.mjs'

const WARNED = 'held with a warning'

/** `needed` are flags by what they allow; `expected` says what becomes of the lock when one of them is missing. */
function check(consumer, command, needed, expected) {
  const outcome = (missing) => {
    const flags = Object.keys(needed).filter((name) => name !== missing)
    const args = [...command.slice(1), ...flags.map((name) => needed[name])]
    const { stdout, output } = consumer.tryRun(command[0], [...args, 'check.mjs', join('locks', 'data')])
    return stdout.trim() + (output.includes('HoldfastWarning') ? ' with a warning' : '')
  }
  const faults = Object.entries(expected)
    .map(([missing, expected]) => ({ missing, expected, outcome: outcome(missing) }))
    .filter(({ expected, outcome }) => outcome !== expected)
  if (faults.length > 0) throw new Error(JSON.stringify(faults))
  return Object.keys(needed).join(', ')
}

function prepare({ packed, consumer }) {
  consumer.install(packed.archive)
  consumer.copy('permission')
  mkdirSync(join(consumer.folder, 'locks'))
  return (...parts) => join(consumer.folder, ...parts)
}

function node(program) {
  return ({ packed, consumer }) => {
    const inside = prepare({ packed, consumer })
    const flags = ['--permission', '--experimental-permission']
    const flag = flags.find((flag) => consumer.tryRun(program(), [flag, '--version']).status === 0)
    if (flag === undefined) throw new Skip('this Node has no permission model')
    const needed = {
      addons: '--allow-addons',
      'reading the program': `--allow-fs-read=${inside('check.mjs')}`,
      'reading the package': `--allow-fs-read=${inside('node_modules', 'holdfast')}${sep}`,
      'reading node-gyp-build': `--allow-fs-read=${inside('node_modules', 'node-gyp-build')}${sep}`,
      'reading the list of mounts': '--allow-fs-read=/proc/self/mountinfo',
      'reading the lock file': `--allow-fs-read=${inside('locks')}${sep}`,
      'writing the lock file': `--allow-fs-write=${inside('locks')}${sep}`,
    }
    return check(consumer, [program(), flag], needed, {
      nothing: 'held',
      'reading the list of mounts': WARNED,
      addons: 'ERR_LOCK_ADDON',
      'reading the lock file': 'ERR_ACCESS_DENIED',
      'writing the lock file': 'ERR_ACCESS_DENIED',
    })
  }
}

function deno({ packed, consumer }) {
  prepare({ packed, consumer })
  const needed = { addons: '--allow-ffi', reading: '--allow-read', hostname: '--allow-sys=hostname' }
  return check(consumer, [tool('deno'), 'run', '--no-prompt'], needed, {
    // The list of mounts can be read with --allow-all only.
    nothing: WARNED,
    addons: 'ERR_LOCK_ADDON',
    reading: 'ERR_LOCK_ADDON',
  })
}

export const permissions = {
  'permissions of this node': node(() => process.execPath),
  'permissions of node 22': node(() => tool('node-linux-22')),
  'permissions of node 24': node(() => tool('node-linux-24')),
  'permissions of node 26': node(() => tool('node-linux-26')),
  'permissions of deno': deno,
}
