// Refuses to pack the package when one of its binaries is missing, wrong, or not the one that was sealed, and
// when the sources have changed since:
//
//   node scripts/check-prebuilds.mjs [folder]          run by npm before it packs or publishes
//   node scripts/check-prebuilds.mjs --seal [folder]   writes the manifest anew, after binaries came from elsewhere
import { faultsOf, PREBUILDS, seal, staleness } from './prebuilds.mjs'

const [folder = PREBUILDS] = process.argv.slice(2).filter((argument) => argument !== '--seal')
if (process.argv.includes('--seal')) seal(folder)
const faults = [...faultsOf(folder), staleness(folder)].filter((fault) => fault !== null)
for (const fault of faults) console.error(fault)
if (faults.length > 0) {
  console.error('\nThe package is not complete: run "npm run prebuild:cross", which builds the binary of every target.')
  process.exitCode = 1
}
