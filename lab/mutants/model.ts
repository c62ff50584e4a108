// The model with a bug in it, as spin sees it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { Mutant } from '../spec/mutants.js'
import { visit } from '../spec/spin.js'

const MODEL = fileURLToPath(new URL('../../../spec', import.meta.url))

/** The program that this machine lacks; null: none. */
export function lacksForModel(): string | null {
  return ['spin', 'cc'].find((program) => spawnSync(program, ['--version']).error !== undefined) ?? null
}

/** The property that is broken; null where spin finds nothing. */
export async function violationWith({ name, defines }: Mutant): Promise<string | null> {
  const { violation } = await visit(MODEL, { defines: [...defines, `MUTANT_${name}`], small: true })
  return violation
}
