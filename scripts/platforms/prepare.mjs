// Makes ready what is to be run: builds the shipped binaries, looks them over, and lays each out for its runs.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { crossBuild } from '../cross/build.mjs'
import { inspect } from '../cross/inspect.mjs'
import { TARGETS } from '../cross/targets.mjs'
import { missing } from './needs.mjs'
import { RUNS } from './runs.mjs'
import { compileTests, layOut } from './stage.mjs'
import { tally } from './tally.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** What can start, as { name, target, folder, runtime }. The rest is told and counted. */
export function prepareAll(folder, isWanted) {
  const compiled = join(folder, 'compiled')
  compileTests(ROOT, compiled)
  const ready = isWanted('here') ? [here(compiled, join(folder, 'here'))] : []
  for (const target of Object.keys(TARGETS)) {
    const runs = Object.entries(RUNS).filter(([name, run]) => run.target === target && isWanted(target, name))
    if (runs.length === 0 && !isWanted(target)) continue
    const binary = buildAndInspect(target)
    if (binary === null) continue
    for (const [name, run] of runs) {
      ready.push(prepared(name, run, binary, compiled, join(folder, name.replace(/\W+/g, '-'))))
    }
  }
  return ready.filter((run) => run !== null)
}

/** The build of this machine, in the Node that this is. */
function here(compiled, folder) {
  const place = join('build', 'Release', 'holdfast.node')
  const binary = join(ROOT, place)
  if (!existsSync(binary)) throw new Error(`there is no ${place}: run "npm run compile" first`)
  layOut(compiled, folder, binary, place)
  const name = `Node ${process.versions.node}, built here`
  return { name, target: `${process.platform}-${process.arch}`, folder, runtime: { command: [process.execPath] } }
}

function buildAndInspect(target) {
  const title = `${target} builds, and the oldest system it is for has all it asks for`
  const reason = missing('cmake')
  if (reason !== null) {
    console.log(`skipped - ${title}: ${reason}`)
    tally.skip(target, `not built: ${reason}`)
    return null
  }
  try {
    const binary = crossBuild(target)
    inspect(target, binary)
    console.log(`ok - ${title}`)
    tally.pass(target, 'linked, and all it asks for is known')
    return binary
  } catch (error) {
    console.log(`not ok - ${title}\n${error.message}`)
    tally.fail(target, 'to build')
    return null
  }
}

function prepared(name, { target, needs, prepare }, binary, compiled, folder) {
  const reason = missing(...needs)
  if (reason !== null) {
    console.log(`skipped - ${target}: ${name}: ${reason}`)
    tally.skip(target, `not run in ${name}: ${reason}`)
    return null
  }
  try {
    layOut(compiled, folder, binary, join('prebuilds', TARGETS[target].binary))
    return { name, target, folder, runtime: prepare(folder) }
  } catch (error) {
    console.log(`not ok - ${target}: ${name}: ${error.message}`)
    tally.fail(target, `to prepare ${name}`)
    return null
  }
}
