// Checks the model of the protocol: every configuration must hold, and every planted bug must be found.
//
//   node lab/dist/spec/run.js [--short] [--only <text in a name>]
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { CONFIGURATIONS, type Configuration } from './configurations.js'
import { MUTANTS, type Mutant } from './mutants.js'
import { visit, type Visit } from './spin.js'

const MODEL = fileURLToPath(new URL('../../../spec', import.meta.url))

const { values } = parseArgs({ options: { short: { type: 'boolean' }, only: { type: 'string' } } })

function wanted({ name, short }: Configuration | Mutant): boolean {
  return (values.short !== true || short) && (values.only === undefined || name.includes(values.only))
}

let passed = 0
let failed = 0

function tell(ok: boolean, name: string, verdict: string, { states, depth, seconds, output }: Visit): void {
  if (ok) passed++
  else failed++
  const figures = `${states.toLocaleString('en').padStart(12)}  ${depth.toLocaleString('en').padStart(10)}`
  console.log(
    `${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(26)}  ${figures}  ${seconds.toFixed(1).padStart(6)}  ${verdict}`,
  )
  if (!ok) console.log(output)
}

console.log('The model of the protocol, by spin. A search is exhaustive: there is no seed.\n')
console.log(`${''.padEnd(8)}${'configuration'.padEnd(26)}        states       depth  seconds`)
for (const configuration of CONFIGURATIONS.filter(wanted)) {
  const { name, about, short } = configuration
  const result = await visit(MODEL, { ...configuration, small: short })
  const ok = result.violation === null && result.complete
  tell(ok, name, ok ? about : `${result.violation ?? 'the search is not complete'}: ${about}`, result)
}
console.log(`\n${''.padEnd(8)}${'planted bug'.padEnd(26)}        states       depth  seconds`)
for (const mutant of MUTANTS.filter(wanted)) {
  const { name, about, breaks } = mutant
  const result = await visit(MODEL, { defines: [...mutant.defines, `MUTANT_${name}`], small: true })
  const ok = result.violation === breaks
  tell(ok, name, `${result.violation ?? 'nothing found'}${ok ? '' : `, not ${breaks}`}: ${about}`, result)
}
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
