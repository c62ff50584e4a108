// What becomes of a lock when its process ends, and what the adapter does to a process that lives.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { check, lock } from '../../../src/adapters/proper-lockfile.js'
import { inspect } from '../../../src/index.js'
import { missing, posix } from '../../helpers/capabilities.js'
import { until } from '../../helpers/until.js'
import { ROOT, someFile } from './files.js'

/** A program on the built package; `file` is its to lock. */
function program(text: string, file: string): string[] {
  return [
    '--no-warnings',
    '--input-type=module',
    '-e',
    `import lockfile from 'holdfast/adapters/proper-lockfile'\nconst file = ${JSON.stringify(file)}\n${text}`,
  ]
}

function run(text: string, file: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, program(text, file), { cwd: ROOT, encoding: 'utf8' })
}

const ENDS: Record<string, { text: string; status: number | null }> = {
  'has nothing more to do': { text: '', status: 0 },
  'calls process.exit()': { text: 'process.exit(3)', status: 3 },
  throws: { text: `throw new Error('on purpose')`, status: 1 },
  'kills itself': { text: `process.kill(process.pid, 'SIGKILL')`, status: null },
}

test.for(Object.entries(ENDS))('a lock ends with its process, which %s', async ([, { text, status }]) => {
  const file = someFile()
  const ended = run(`lockfile.lockSync(file)\nconsole.log(lockfile.checkSync(file))\n${text}`, file)
  expect(ended).toMatchObject({ stdout: 'true\n' })
  if (process.platform !== 'win32') expect(ended.status).toBe(status)
  expect(await check(file)).toBe(false)
  await (
    await lock(file)
  )()
})

test('a lock does not keep its process alive, nor does looking after it', () => {
  expect(run('await lockfile.lock(file, { update: 1000 })', someFile())).toMatchObject({ status: 0, stderr: '' })
})

test('a wait keeps its process alive until it is granted', async () => {
  const file = someFile()
  const release = await lock(file)
  const text = `
    process.stdout.write('waiting')
    await lockfile.lock(file, { retries: { forever: true } })
    process.stdout.write(' granted')`
  const child = spawn(process.execPath, program(text, file), { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
  const ended = once(child, 'exit')
  await until('it waits', () => output.length > 0)
  await release()
  expect(await ended).toEqual([0, null])
  expect(output.join('')).toBe('waiting granted')
})

test('the loss of a lock ends its process, unless somebody is told of it', () => {
  const lose = `fs.rmSync(file + '.hold')\nsetInterval(() => {}, 1000)`
  const text = (options: string): string => `import fs from 'node:fs'\nawait lockfile.lock(file, ${options})\n${lose}`
  const ended = run(text('{ update: 1000 }'), someFile())
  expect(ended.status).toBe(1)
  expect(ended.stderr).toContain('ECOMPROMISED')
  const told = '{ update: 1000, onCompromised: ({ code }) => { console.log(code); process.exit(7) } }'
  expect(run(text(told), someFile())).toMatchObject({ status: 7, stdout: 'ECOMPROMISED\n' })
})

test('the adapter listens to nothing of the process', () => {
  const text = `
    const listeners = () => process.eventNames().map((event) => [event, process.listenerCount(event)])
    const before = listeners()
    const release = await lockfile.lock(file)
    console.log(JSON.stringify([before, listeners()]))
    await release()`
  const [before, during] = JSON.parse(run(text, someFile()).stdout) as [unknown, unknown]
  expect(during).toEqual(before)
})

test.skipIf(missing(posix))('a signal ends a process that holds a lock as if it held none', async () => {
  const file = someFile()
  const text = `await lockfile.lock(file)\nconsole.log('held')\nsetInterval(() => {}, 1000)`
  const child = spawn(process.execPath, program(text, file), { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([null, 'SIGTERM'])
  expect(inspect(file).state).toBe('abandoned')
  expect(await check(file)).toBe(false)
})

test('processes that count in one file under the lock lose nothing', async () => {
  const file = someFile()
  writeFileSync(file, '0')
  const text = `
    import fs from 'node:fs'
    for (let time = 0; time < 50; time++) {
      const release = await lockfile.lock(file, { retries: { retries: 100, minTimeout: 600 } })
      const count = Number(fs.readFileSync(file, 'utf8'))
      await new Promise(setImmediate)
      fs.writeFileSync(file, String(count + 1))
      await release()
    }`
  const children = [1, 2, 3].map(() => spawn(process.execPath, program(text, file), { cwd: ROOT, stdio: 'inherit' }))
  const ends = await Promise.all(children.map((child) => once(child, 'exit')))
  expect(ends).toEqual([
    [0, null],
    [0, null],
    [0, null],
  ])
  expect(readFileSync(file, 'utf8')).toBe('150')
  expect(readdirSync(dirname(file))).toEqual(['file', 'file.hold'])
  expect(existsSync(`${file}.lock`)).toBe(false)
})
