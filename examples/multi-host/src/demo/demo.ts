// npm run demo:multi-host: two gateways on two hosts and one database; one is cut off in the middle of a write, and a process is
// stopped until it is too late. What became of the sessions the database tells, not the programs that wrote to it.
//
//   --only calm,cut,stopped   these scenes alone
//   --database <url>          a server that is there already; a database of it is made and dropped
//   --binaries <folder>       where initdb and postgres are; else they are looked for
//   --wires                   no network namespaces, though they can be made
//   --json                    the results as JSON
//
// Ends with 0 when everything is well, with 1 when it is not, and with 69 when there is no PostgreSQL to do it with.
import { parseArgs } from 'node:util'

import pg from 'pg'

import type { Told } from '../events.js'
import { TABLES } from '../schema.js'
import { Database, findBinaries, PLACES } from './database.js'
import type { Ledger } from './ledger.js'
import { Namespaces } from './namespaces.js'
import { SCENES, type SceneName } from './scenes.js'
import { PATIENCE, Stage } from './stage.js'
import { Story, type Claim } from './story.js'
import { Wires } from './wires.js'

/** What --json prints. */
export interface Results {
  readonly network: string
  readonly claims: readonly Claim[]
  readonly ledger: Ledger
  readonly events: readonly Told[]
}

const UNAVAILABLE = 69

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(SCENES).join() },
    database: { type: 'string' },
    binaries: { type: 'string' },
    wires: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130)) // and clean up
const scenes = values.only.split(',').map(sceneOf)
const say = (line: string): void => {
  if (!values.json) console.log(line)
}
const story = new Story(say)
const network = networkOf()
const { url, end } = await serverOf()
say(network.what)

// A wait that does not come true ends the demo with 1, and with what it waited for.
const stage = await Stage.open(story, network, url, TABLES)
for (const scene of scenes) await scene(stage)
const ledger = await stage.ledger()
await stage.end()
await end()
network.end()

const isWell = ledger.problems.length === 0 && story.claims.every(({ holds }) => holds)
const results: Results = { network: network.what, claims: story.claims, ledger, events: stage.events }
if (values.json) console.log(JSON.stringify(results))
say(
  `\nThe ledger: ${ledger.lines} lines are there, ${ledger.acknowledged} were acknowledged, ${ledger.losses} holds were lost`,
)
for (const problem of ledger.problems) say(`  ${problem}`)
say(
  isWell
    ? 'Everything that was acknowledged is there exactly once, in the order of the fences, and nobody wrote without the lock.'
    : 'NOT everything is well.',
)
process.exit(isWell ? 0 : 1)

function sceneOf(name: string): (typeof SCENES)[SceneName] {
  const scene = Object.entries(SCENES).find(([known]) => known === name)?.[1]
  if (scene !== undefined) return scene
  console.error(`Expected --only with some of ${Object.keys(SCENES).join()}`)
  process.exit(2)
}

function networkOf(): Namespaces | Wires {
  if (values.database !== undefined) return new Wires('the database is not ours', PATIENCE.server)
  if (values.wires) return new Wires('that was asked for', PATIENCE.server)
  const made = Namespaces.make()
  return typeof made === 'string' ? new Wires(made, PATIENCE.server) : made
}

async function serverOf(): Promise<{ url: string; end: () => Promise<void> }> {
  if (values.database !== undefined) return await databaseOf(values.database)
  const binaries = findBinaries(values.binaries)
  if (binaries === null) {
    console.error(`There is no PostgreSQL server: initdb and postgres are not in ${values.binaries ?? PLACES}`)
    process.exit(UNAVAILABLE)
  }
  const database = await Database.start(binaries, network)
  return { url: database.url, end: () => database.stop() }
}

/** A new one on a server that is there. */
async function databaseOf(server: string): Promise<{ url: string; end: () => Promise<void> }> {
  const name = `holdfast_demo_${process.pid}`
  const client = new pg.Client(server)
  await client.connect()
  await client.query(`create database ${name}`)
  const url = new URL(server)
  url.pathname = name
  const end = async (): Promise<void> => {
    await client.query(`drop database ${name} with (force)`)
    await client.end()
  }
  return { url: url.href, end }
}
