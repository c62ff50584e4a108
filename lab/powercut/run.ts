// Power cuts:
//
//   node lab/dist/powercut/run.js [--cuts N] [--seed S] [--filesystem NAME] [--kernel FOLDER] [--accelerator kvm]
//                                 [--plant NAME|all] [--keep]
//
// The session writer runs in a guest of QEMU, on a disk that loses what was not flushed, and the guest is killed at any moment.
// After each cut it is started again from the same disk. Prints every cut; exits with 1 if anything acknowledged was lost, a half
// line was read as a whole one, the store was not whole or not the last, or a lock was not free; with 2 where it cannot run.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { Random } from '../history/random.js'
import { FILESYSTEMS, type Filesystem } from './filesystems.js'
import { planted, PLANTS, type Plant } from './plants.js'
import { kernelIn, lacking, type Kernel } from './requirements.js'
import { Series, type Cut } from './series.js'
import { makeWorld, PRODUCT } from './world.js'

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    filesystem: { type: 'string', default: '' },
    kernel: { type: 'string', default: '/' },
    // A machine that is virtual itself may have a KVM that does not work.
    accelerator: { type: 'string', default: 'tcg,thread=multi' },
    plant: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const [cuts, seed] = [Number(values.cuts), Number(values.seed)]
const { accelerator } = values
/** A planted bug that so many cuts do not show is not found. */
const MOST_FOR_A_PLANT = 25

const sum = { passed: 0, failed: 0 }

function verdictOf({ judgement, boot }: Cut): string {
  if (judgement === null) return 'cut off before it could be checked'
  if (judgement.violations.length > 0) return 'FAIL'
  if (boot === 1) return 'ok: new'
  const parts = [`${judgement.lines} lines there`]
  if (judgement.torn > 0) parts.push(`half a line of ${judgement.torn} bytes moved`)
  if (judgement.damaged > 0) parts.push(`${judgement.damaged} damaged`)
  return `ok: ${parts.join(', ')}`
}

function print(number: number, cut: Cut): void {
  const { filesystem, boot, moment, survival, losses, lines, updates, started } = cut
  const columns = [
    String(number).padStart(4),
    filesystem.padEnd(19),
    `start ${boot}`.padEnd(9),
    (started === null ? '-' : `${started.toFixed(1)} s`).padStart(7),
    verdictOf(cut).padEnd(52),
    `then ${lines} lines, ${updates} updates acknowledged`.padEnd(46),
    `cut at ${moment}`.padEnd(35),
    `${losses.lost} of ${losses.cached} writes lost (${survival})`,
  ]
  console.log(columns.join('  ').trimEnd())
  for (const what of cut.judgement?.violations ?? []) console.log(`        ${what}`)
}

interface Total {
  cuts: number
  lines: number
  updates: number
  cached: number
  lost: number
  torn: number
  damaged: number
  forgotten: number
  starts: number[]
}

async function play(folder: string, kernel: Kernel, filesystems: readonly Filesystem[]): Promise<void> {
  const world = join(folder, 'world.cpio')
  makeWorld(world, kernel, PRODUCT)
  const all = filesystems.map(
    (filesystem) => new Series(filesystem, { folder, kernel: kernel.image, world, accelerator, lies: false }),
  )
  const total: Total = {
    cuts: 0,
    lines: 0,
    updates: 0,
    cached: 0,
    lost: 0,
    torn: 0,
    damaged: 0,
    forgotten: 0,
    starts: [],
  }
  const waiting = new Map(all.map((series) => [series, 0]))
  const add = (series: Series, cut: Cut): boolean => {
    const unchecked = waiting.get(series) ?? 0
    total.lines += cut.lines
    total.updates += cut.updates
    total.cached += cut.losses.cached
    total.lost += cut.losses.lost
    if (cut.started !== null) total.starts.push(cut.started)
    if (cut.judgement === null) return true
    total.torn += cut.judgement.torn > 0 ? 1 : 0
    total.damaged += cut.judgement.damaged
    total.forgotten += cut.judgement.forgotten ? 1 : 0
    waiting.set(series, 0)
    const good = cut.judgement.violations.length === 0
    if (good) sum.passed += unchecked
    else sum.failed++
    return good
  }
  const broken = new Set<Series>()
  for (let number = 1; number <= cuts && broken.size < all.length; number++) {
    const series = all.filter((one) => !broken.has(one))[number % (all.length - broken.size)]
    if (series === undefined) break
    const cut = await series.cut(new Random(seed, number))
    print(number, cut)
    total.cuts++
    if (!add(series, cut)) broken.add(series)
    waiting.set(series, (waiting.get(series) ?? 0) + 1)
  }
  for (const series of all) {
    if (broken.has(series)) continue
    const cut = await series.last(new Random(seed, cuts + 1))
    print(cuts + 1, cut)
    add(series, cut)
  }
  const starts = total.starts.sort((one, two) => one - two)
  const median = starts[Math.floor(starts.length / 2)] ?? 0
  console.log(`${total.cuts} cuts. Acknowledged: ${total.lines} lines, ${total.updates} updates of the store.`)
  console.log(
    `Not flushed when the power went: ${total.cached} writes, of which ${total.lost} were lost, at least in part.`,
  )
  console.log(`Lock files that had lost their record: ${total.forgotten}.`)
  console.log(
    `Half lines moved: ${total.torn}. Damaged lines: ${total.damaged}. Start to first write: ${median.toFixed(1)} s (median).`,
  )
}

async function find(plant: Plant, parent: string, kernel: Kernel): Promise<void> {
  const folder = join(parent, plant.name)
  mkdirSync(folder)
  const filesystem = FILESYSTEMS.find(({ name }) => name === plant.filesystem)
  if (filesystem === undefined) throw new Error(`Expected a filesystem, got ${plant.filesystem}`)
  const world = join(folder, 'world.cpio')
  makeWorld(world, kernel, planted(plant, folder))
  const series = new Series(filesystem, { folder, kernel: kernel.image, world, accelerator, lies: plant.lies === true })
  for (let number = 1; number <= MOST_FOR_A_PLANT; number++) {
    const { judgement } = await series.cut(new Random(seed, number))
    const [what] = judgement?.violations ?? []
    if (what === undefined) continue
    const isIt = plant.report.test(what)
    console.log(
      `${isIt ? 'caught' : 'FAIL'}  ${plant.name} (${plant.title}), at start ${number}: ${what.slice(0, 200)}`,
    )
    sum[isIt ? 'passed' : 'failed']++
    return
  }
  console.log(`MISSED  ${plant.name} (${plant.title}), after ${MOST_FOR_A_PLANT} cuts`)
  sum.failed++
}

const filesystems = FILESYSTEMS.filter(({ name }) => values.filesystem === '' || name === values.filesystem)
const plants = PLANTS.filter(({ name }) => values.plant === 'all' || name === values.plant)
if (!Number.isSafeInteger(cuts) || cuts < 1) throw new Error(`Expected --cuts with a number from 1, got ${values.cuts}`)
if (!Number.isSafeInteger(seed)) throw new Error(`Expected --seed with a number, got ${values.seed}`)
if (filesystems.length === 0) {
  const names = FILESYSTEMS.map(({ name }) => name).join(', ')
  throw new Error(`Expected --filesystem with one of ${names}, got ${values.filesystem}`)
}
if (values.plant !== undefined && plants.length === 0) {
  throw new Error(
    `Expected --plant with all or one of ${PLANTS.map(({ name }) => name).join(', ')}, got ${values.plant}`,
  )
}

const kernel = kernelIn(values.kernel)
const missing = lacking(filesystems.map(({ maker }) => maker), kernel) // prettier-ignore
if (missing.length > 0 || kernel === null) {
  console.log('Power cuts cannot be made here. What is missing:')
  for (const what of missing) console.log(`  ${what}`)
  process.exit(2)
}
const folder = mkdtempSync(join(tmpdir(), 'holdfast-powercut-'))
const remove = (): void => rmSync(folder, { recursive: true, force: true })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    remove()
    process.exit(1)
  })
}
const what = plants.length > 0 ? 'planted bugs' : `${cuts} cuts on ${filesystems.map(({ name }) => name).join(', ')}`
console.log(`Power cuts: seed ${seed}, Linux ${kernel.version} in QEMU; ${what}.`)
if (plants.length > 0) for (const plant of plants) await find(plant, folder, kernel)
else await play(folder, kernel, filesystems)
if (values.keep || sum.failed > 0) console.log(`Kept: ${folder}`)
else remove()
console.log(`${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1
