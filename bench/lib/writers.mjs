// Writers in processes of their own, each round with a new file, which is verified when the round is over.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { NodeProcess } from './node-process.mjs'
import { median } from './stats.mjs'

/** `before` is how many bytes the file has already: one line of NULs that takes no room. */
export function writerContender({ name, writer, options = {} }, folder, { lanes, size, length, before = 0 }) {
  return {
    name,
    async start() {
      const child = await startWriter(writer, options)
      const run = () =>
        withFile(folder, before, async (path) => {
          await child.ask('open', path)
          const sample = await child.ask('write', { lanes: numbers(lanes), size, length })
          await child.ask('close')
          await child.ask('verify', path, { counts: sample.counts, size, skip: before })
          return sample
        })
      return { run, close: () => child.kill() }
    },
  }
}

/** One file, several processes. A sample says besides how many lines each of them wrote. */
export function sharingContender({ name, writer, options = {} }, folder, { processes, lanes, size, length }) {
  return {
    name,
    async start() {
      const children = []
      const close = async () => {
        for (const child of children) await child.kill()
      }
      try {
        for (let i = 0; i < processes; i++) children.push(await startWriter(writer, options))
      } catch (error) {
        await close()
        throw error
      }
      const run = () =>
        withFile(folder, 0, async (path) => {
          for (const child of children) await child.ask('open', path)
          const begin = Number(process.hrtime.bigint()) + 300e6
          const samples = await Promise.all(
            children.map((child, i) => child.ask('write', { lanes: numbers(lanes, i * lanes), size, length, begin })),
          )
          for (const child of children) await child.ask('close')
          const counts = samples.flatMap(({ counts }) => counts)
          await children[0].ask('verify', path, { counts, size, skip: 0 })
          return together(samples)
        })
      return { run, close }
    },
  }
}

/** Medians over the rounds of what interleave() answers with. */
export function figures({ name, samples, reason }) {
  if (reason !== undefined) return { name, reason }
  const of = (key) => median(samples.map((sample) => sample[key]))
  return { name, rate: of('rate'), median: of('median'), p99: of('p99'), longest: of('longest'), skew: of('skew') }
}

const startWriter = (writer, options) => NodeProcess.start('writer.mjs', [writer, JSON.stringify(options)])

const numbers = (count, first = 0) => Array.from({ length: count }, (_, index) => first + index)

function together(samples) {
  const totals = samples.map(({ total }) => total)
  return {
    totals,
    rate: samples.reduce((sum, { rate }) => sum + rate, 0),
    median: median(samples.map(({ median }) => median)),
    p99: Math.max(...samples.map(({ p99 }) => p99)),
    longest: Math.max(...samples.map(({ longest }) => longest)),
    skew: Math.max(...totals) / Math.min(...totals),
  }
}

async function withFile(folder, before, work) {
  const path = join(mkdtempSync(join(folder, 'writer-')), 'session.jsonl')
  try {
    if (before > 0) makeSparse(path, before)
    return await work(path)
  } finally {
    rmSync(dirname(path), { recursive: true, force: true })
  }
}

function makeSparse(path, size) {
  const fd = openSync(path, 'wx')
  ftruncateSync(fd, size)
  writeSync(fd, '\n', size - 1)
  closeSync(fd)
}
