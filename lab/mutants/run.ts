// npm run lab:mutants: plants each bug that is on a list, one by one, and sees that a suite catches it. Those of the code
// (mutants.ts) are planted in a copy of the project, for the tests; those of the model (lab/spec/mutants.ts) in the model,
// for spin.
//
//   --only <text>   bugs whose name or layer (C++, TypeScript, PostgreSQL, model) has it
//
// Prints a table, and ends with the number of bugs that were caught and of those that were not.
import { parseArgs } from 'node:util'

import { server } from '../remote-history/server.js'
import { MUTANTS as OF_MODEL } from '../spec/mutants.js'
import { ProjectCopy } from './copy.js'
import { lacksForModel, violationWith } from './model.js'
import { MUTANTS as OF_CODE } from './mutants.js'

type Layer = 'C++' | 'TypeScript' | 'PostgreSQL' | 'model'

const WIDTHS = { verdict: 8, layer: 12, name: 76 } as const

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const { only } = values

const isWanted = (layer: Layer, name: string): boolean => layer === only || name.includes(only)
function layerOf(file: string): Layer {
  if (file.startsWith('native/')) return 'C++'
  return file.startsWith('src/postgres/') ? 'PostgreSQL' : 'TypeScript'
}

const ofCode = OF_CODE.filter(({ file, name, needsServer }) => {
  if (!isWanted(layerOf(file), name)) return false
  const lacking = needsServer === true && !server.there
  if (lacking) console.log(`skipped: "${name}": this machine lacks ${server.name}`)
  return !lacking
})
const ofModel = OF_MODEL.filter(({ about }) => isWanted('model', about))
if (ofCode.length + ofModel.length === 0)
  throw new Error(`Expected --only with a part of the name of a bug, got ${only}`)

let passed = 0
let failed = 0

/** `caught` says what noticed the bug; null: nothing did. */
function tell(layer: Layer, name: string, caught: string | null): void {
  if (caught === null) failed++
  else passed++
  row(caught === null ? 'MISSED' : 'caught', layer, name, caught ?? '')
}

function row(verdict: string, layer: string, name: string, caught: string): void {
  const { verdict: first, layer: second, name: third } = WIDTHS
  console.log(`${verdict.padEnd(first)}${layer.padEnd(second)}${name.padEnd(third)}  ${caught}`.trimEnd())
}

row('', 'layer', 'planted bug', 'caught by')
if (ofCode.length > 0) {
  const copy = new ProjectCopy()
  try {
    const sound = copy.firstFailure(ofCode.flatMap(({ tests }) => tests))
    if (sound !== null) throw new Error(`Expected tests that pass without a bug: ${sound}`)
    for (const mutant of ofCode) {
      tell(
        layerOf(mutant.file),
        mutant.name,
        copy.with(mutant, () => copy.firstFailure(mutant.tests)),
      )
    }
  } finally {
    copy.remove()
  }
}
const lacking = lacksForModel()
if (lacking !== null && ofModel.length > 0) console.log(`skipped: the bugs of the model: this machine lacks ${lacking}`)
for (const mutant of lacking === null ? ofModel : []) {
  const violation = await violationWith(mutant)
  tell('model', mutant.about, violation === mutant.breaks ? `spec/holdfast.pml: ${violation}` : null)
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
