// node scripts/cli-captures.mjs [--only COMMAND]: what the commands print, written into docs/cli.md as it is printed.
//
// Between `<!-- help NAME -->` and `<!-- /help NAME -->` stands the help of a command; between `<!-- capture NAME -->` and
// `<!-- /capture NAME -->` a scene of scripts/captures/: shell lines, each with its output, in which whatever differs from run to run
// (folders, PIDs, times) is put in the place of something that does not.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { Stage } from './captures/stage.mjs'
import * as clean from './captures/clean.mjs'
import * as doctor from './captures/doctor.mjs'
import * as ps from './captures/ps.mjs'
import * as run from './captures/run.mjs'

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs', 'cli.md')
/** The scenes of each command, by name. */
const SCENES = { ...run.scenes, ...ps.scenes, ...doctor.scenes, ...clean.scenes }

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const wanted = (name) => values.only === undefined || name.split('-')[0] === values.only

let page = readFileSync(PAGE, 'utf8')
for (const [, kind, name] of page.matchAll(/^<!-- (help|capture) (\S+) -->$/gm)) {
  if (wanted(name)) page = withBlock(page, `${kind} ${name}`, kind === 'help' ? help(name) : await captured(name))
}
writeFileSync(PAGE, page)

function help(name) {
  const { stdout } = spawnSync(process.execPath, [join(ROOT, 'dist', 'cli.js'), name, '--help'], { encoding: 'utf8' })
  return `\`\`\`\n${stdout.trimEnd()}\n\`\`\``
}

async function captured(name) {
  const scene = SCENES[name]
  if (scene === undefined) throw new Error(`no scene is called ${name}`)
  const stage = new Stage()
  try {
    await scene(stage)
    return `\`\`\`console\n${stage.text.trimEnd()}\n\`\`\``
  } finally {
    await stage.clear()
  }
}

function withBlock(page, name, block) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, inside, ...others] = page.split(begin)
  const after = inside?.split(end)
  if (others.length > 0 || after?.length !== 2)
    throw new Error(`the page must have ${begin} and, behind it, ${end}, once`)
  return `${before}${begin}\n\n${block}\n\n${end}${after[1]}`
}
