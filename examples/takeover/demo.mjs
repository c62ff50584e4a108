// npm run demo: real processes contend for one file, one of them is killed with SIGKILL, and another takes over. The same
// script runs twice: on holdfast, and on a lock file whose existence is the lock.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const WRITERS = 4
const COUNTS = 50
/** How long the demo watches a waiter that does not get the lock. */
const PATIENCE = 5_000

const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
const running = new Set()

async function writer(protocol, file) {
  const program = fileURLToPath(new URL('writer.mjs', import.meta.url))
  const child = fork(program, [protocol, file], { serialization: 'advanced' })
  running.add(child)
  await once(child, 'message')
  return {
    pid: child.pid,
    async tell(...command) {
      child.send(command)
      const [{ answer }] = await once(child, 'message')
      return answer
    },
    async kill() {
      const time = process.hrtime.bigint()
      child.kill('SIGKILL')
      await once(child, 'exit')
      return time
    },
  }
}

async function contend(protocol) {
  const file = join(folder, `${protocol}-counter`)
  writeFileSync(file, '0')
  const writers = await Promise.all(Array.from({ length: WRITERS }, () => writer(protocol, file)))
  await Promise.all(writers.map(({ tell }) => tell('count', COUNTS)))
  return Number(readFileSync(file, 'utf8'))
}

/** Milliseconds from the kill to the waiter's hold, or null when it was not there in time. */
async function takeOver(protocol, file) {
  const [holder, waiter] = await Promise.all([writer(protocol, file), writer(protocol, file)])
  await holder.tell('hold')
  const waiting = waiter.tell('hold')
  await pause(200) // so that it waits for sure when the holder dies
  const killed = await holder.kill()
  const answer = await within(PATIENCE, waiting)
  const result = answer && { after: milliseconds(killed, answer.time), from: answer.recoveredFrom, killed: holder.pid }
  await waiter.kill()
  return result
}

/** The killed holders left their lock file behind; a new process wants the lock. */
async function startAfterwards(protocol, file) {
  const newcomer = await writer(protocol, file)
  const asked = process.hrtime.bigint()
  const answer = await within(PATIENCE, newcomer.tell('hold'))
  await newcomer.kill()
  return answer && { after: milliseconds(asked, answer.time) }
}

function within(limit, promise) {
  return Promise.race([promise, pause(limit, null, { ref: false })])
}

function milliseconds(from, to) {
  return Number(to - from) / 1e6
}

async function run(protocol) {
  const file = join(folder, protocol)
  console.log(`\n${bold(protocol)}`)
  const counted = await step(`${WRITERS} processes count to ${WRITERS * COUNTS} in one file`, contend(protocol))
  const taken = await step('the holder is killed with SIGKILL while another process waits', takeOver(protocol, file))
  const started = await step(
    'its lock file lies around, and a new process wants the lock',
    startAfterwards(protocol, file),
  )
  return { counted, taken, started }
}

async function step(what, result) {
  console.log(`  ${what} …`)
  return result
}

const colour = process.stdout.isTTY
const bold = (text) => (colour ? `\x1b[1m${text}\x1b[0m` : text)
const good = (text) => (colour ? `\x1b[32m${text}\x1b[0m` : text)
const bad = (text) => (colour ? `\x1b[31m${text}\x1b[0m` : text)

function cells({ counted, taken, started }) {
  const timed = (result) =>
    result ? [`after ${result.after.toFixed(1)} ms`, true] : [`not within ${PATIENCE / 1000} s`, false]
  return [[`${counted} of ${WRITERS * COUNTS}`, counted === WRITERS * COUNTS], timed(taken), timed(started)]
}

function table(ours, theirs) {
  const rows = [
    'counts that were kept',
    'killed holder: a waiter has the lock',
    'leftover lock file: a newcomer has it',
  ]
  const [left, right] = [cells(ours), cells(theirs)]
  const paint = ([text, fine]) => (fine ? good : bad)(text.padEnd(18))
  console.log(`\n${bold(''.padEnd(40) + 'holdfast'.padEnd(20) + 'lock file, stale after 30 s')}`)
  rows.forEach((row, index) => console.log(row.padEnd(40) + paint(left[index]) + '  ' + paint(right[index])))
}

try {
  const ours = await run('holdfast')
  const theirs = await run('lock-file')
  table(ours, theirs)
  if (ours.taken)
    console.log(`\nThe waiter was told whom it took over from: pid ${ours.taken.from} (killed: ${ours.taken.killed}).`)
  const kept = cells(ours).every(([, fine]) => fine) && ours.taken?.from === ours.taken?.killed
  console.log(kept ? 'Nothing of holdfast was lost.' : bad('holdfast lost something.'))
  process.exitCode = kept ? 0 : 1
} finally {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
