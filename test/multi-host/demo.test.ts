// npm run demo:multi-host, as a process: the whole story on network namespaces; and with bugs planted in copies of the program,
// each of which must not pass.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { Results } from '../../examples/multi-host/src/demo/demo.js'
import { Namespaces } from '../../examples/multi-host/src/demo/namespaces.js'
import { missing, type Capability } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { PostgresServer, postgresServer } from '../postgres/server.js'
import { built, DIST } from './built.js'

function canMakeNamespaces(): Capability {
  const made = Namespaces.make()
  if (typeof made === 'string') return { name: `network namespaces: ${made}`, there: false }
  made.end()
  return { name: 'network namespaces', there: true }
}

const withoutServer = missing(built, postgresServer)
const withoutHosts = missing(built, postgresServer, canMakeNamespaces())

let server: PostgresServer
beforeAll(async () => {
  if (!withoutServer) server = await PostgresServer.start()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of planted) rmSync(folder, { recursive: true, force: true })
  if (!withoutServer) await server.stop()
})

interface Run {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

const children = new Set<ChildProcess>()

async function demo(folder: string, ...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [join(folder, 'demo', 'demo.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: child.exitCode, output, errors }
}

function resultsOf({ output, errors }: Run): Results {
  if (output === '') throw new Error(errors)
  return JSON.parse(output) as Results
}

const failed = ({ claims }: Results): string[] => claims.filter(({ holds }) => !holds).map(({ claim }) => claim)

test
  .skipIf(withoutHosts)
  .concurrent(
    'a host that is cut off in a write loses nothing and writes nothing any more, and who is stopped too long is refused',
    async () => {
      const run = await demo(DIST, '--json')
      const results = resultsOf(run)
      expect(results.network).toBe('hosts are network namespaces on a bridge')
      expect(failed(results)).toEqual([])
      expect(results.claims).toHaveLength(8)
      expect(results.ledger.problems).toEqual([])
      expect(results.ledger.losses).toBeGreaterThanOrEqual(3)
      expect(results.ledger.lines).toBe(results.ledger.acknowledged)
      expect(results.ledger.lines).toBeGreaterThan(400)
      expect(run.code).toBe(0)
    },
  )

test
  .skipIf(withoutServer)
  .concurrent('without network namespaces the same is true of hosts that are wires', async () => {
    const run = await demo(DIST, '--database', server.url, '--only', 'cut,stopped', '--json')
    const results = resultsOf(run)
    expect(results.network).toContain('wires')
    expect([failed(results), results.ledger.problems]).toEqual([[], []])
    expect(run.code).toBe(0)
  })

test.skipIf(missing(built))('where there is no PostgreSQL server the demo says so, and ends with 69', async () => {
  const run = await demo(DIST, '--binaries', scratch(), '--wires')
  expect(run.errors).toContain('There is no PostgreSQL server: initdb and postgres are not in ')
  expect(run.code).toBe(69)
})

/** What is replaced in which file. */
type Bug = readonly (readonly [file: string, from: string, to: string])[]

const planted: string[] = []

/** A copy of the program with a bug. */
function plant(bug: Bug): string {
  const own = readdirSync(DIST).filter((name) => !name.startsWith('planted-'))
  const folder = mkdtempSync(join(DIST, 'planted-'))
  planted.push(folder)
  for (const name of own) cpSync(join(DIST, name), join(folder, name), { recursive: true })
  for (const [file, from, to] of bug) {
    const path = join(folder, file)
    const pieces = readFileSync(path, 'utf8').split(from)
    if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times ${from}`)
    writeFileSync(path, pieces.join(to))
  }
  return folder
}

const BUGS: readonly { bug: string; change: Bug; scene: string; claim: string; problem: RegExp | null }[] = [
  {
    bug: 'the fence is not compared',
    change: [['fenced.js', ' where seen.fence <= excluded.fence', '']],
    scene: 'stopped',
    claim: 'what is written too late is refused',
    problem: /^late-after-stop is there, and nobody who may write was sent it$/,
  },
  {
    bug: 'lines are not known by their ids',
    change: [
      [
        'transcript.js',
        'where not exists (select from transcript as known where known.session = $1 and known.id = line.id)',
        '',
      ],
      ['schema.js', 'constraint written_once unique (session, id)', 'unique (session, id, seq)'],
    ],
    scene: 'cut',
    claim: 'the line in doubt was found where the lost commit had put it, and not written again',
    problem: /^gated-north is there 2 times$/,
  },
  {
    bug: 'the store is changed for lines that were there already',
    change: [['session.js', 'places.filter((place) => place.added)', 'places']],
    scene: 'cut',
    claim: '',
    problem: /^the store says \d+ lines of alpha, and there are \d+$/,
  },
  {
    bug: 'writes are made without the lock',
    change: [
      ['session.js', 'locks.withLock(lockOf(session), ', 'locks.withLock(`${lockOf(session)} ${process.pid}`, '],
      ['fenced.js', 'RAISE, [lock, fence]', "RAISE, ['one row', fence]"],
    ],
    scene: 'calm',
    claim: 'the database refuses nothing while nobody loses a lock',
    problem: null,
  },
  {
    bug: 'what was not committed is acknowledged',
    change: [
      ['fenced.js', "client.query('commit')", "client.query('rollback')"],
      ['fenced.js', "command !== 'COMMIT'", "command === ''"],
    ],
    scene: 'calm',
    claim: '',
    problem: /^north-1-1 was acknowledged and is lost$/,
  },
]

test.skipIf(withoutServer).concurrent.each(BUGS)('it finds that $bug', async ({ change, scene, claim, problem }) => {
  const run = await demo(plant(change), '--database', server.url, '--only', scene, '--json')
  const results = resultsOf(run)
  expect(failed(results)).toEqual(claim === '' ? [] : [claim])
  if (problem !== null) expect(results.ledger.problems).toContainEqual(expect.stringMatching(problem))
  expect(run.code).toBe(1)
})
