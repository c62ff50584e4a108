// Hosts with a network of their own between them, that is cut: the server frees what a host held that it cannot reach, and that
// host knows before. The hosts are network namespaces, so all of them have one wall clock, and moments can be compared.
import { spawnSync } from 'node:child_process'

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { missing, root, type Capability } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresAgent } from './agent.js'
import { PostgresServer, postgresServer } from './server.js'

const namespaces: Capability = {
  name: 'the right to make network namespaces',
  there: root.there && ip('netns', 'add', 'holdfast-try') && ip('netns', 'del', 'holdfast-try'),
}
const skip = missing(postgresServer, namespaces)
/** As short as the margin, and the network's own repetitions, allow. */
const SHORT = { every: 200, answer: 600, server: 3000 }
const ROUNDS = Number(process.env['HOLDFAST_POSTGRES_PARTITIONS'] ?? 1)

let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start('listen_addresses=*')
})
afterAll(async () => {
  if (!skip) await server.stop()
})

let hosts = 0

/** A host with a cable to the server. */
class Host {
  readonly name = `holdfast-${process.pid}-${++hosts}`
  private readonly near = `hf${process.pid % 100_000}a${hosts}`
  private readonly far = `hf${process.pid % 100_000}b${hosts}`
  private readonly network = `10.${200 + (process.pid % 50)}.${hosts % 250}`

  constructor() {
    onTestFinished(() => {
      ip('link', 'del', this.near)
      ip('netns', 'del', this.name)
    })
    const inside = ['netns', 'exec', this.name, 'ip']
    for (const command of [
      ['netns', 'add', this.name],
      ['link', 'add', this.near, 'type', 'veth', 'peer', 'name', this.far, 'netns', this.name],
      ['addr', 'add', `${this.network}.1/24`, 'dev', this.near],
      ['link', 'set', this.near, 'up'],
      [...inside, 'addr', 'add', `${this.network}.2/24`, 'dev', this.far],
      [...inside, 'link', 'set', this.far, 'up'],
      [...inside, 'link', 'set', 'lo', 'up'],
    ]) {
      if (!ip(...command)) throw new Error(`ip ${command.join(' ')}`)
    }
  }

  get url(): string {
    return server.url.replace('127.0.0.1', `${this.network}.1`)
  }

  /** Its address goes: what the server sends is lost, and so is what it sends. */
  cut(): void {
    ip('netns', 'exec', this.name, 'ip', 'addr', 'del', `${this.network}.2/24`, 'dev', this.far)
  }

  heal(): void {
    ip('netns', 'exec', this.name, 'ip', 'addr', 'add', `${this.network}.2/24`, 'dev', this.far)
  }
}

function ip(...args: string[]): boolean {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0
}

test.skipIf(skip).each(adapters)(
  'a host that is cut off knows that its holds are lost before another one is granted them: with $name',
  { timeout: 60_000 * ROUNDS },
  async ({ name: client }) => {
    for (let round = 0; round < ROUNDS; round++) {
      const host = new Host()
      const cutOff = await PostgresAgent.start(host.url, { client, heartbeat: SHORT, network: host.name })
      const other = await PostgresAgent.start(server.url, { client, heartbeat: SHORT })
      // One that was free, and one that was waited for: they are in different sessions.
      const blocker = await other.acquire('waited for')
      const waited = cutOff.acquire('waited for')
      await until('it waits', async () => (await server.locks()) > 1)
      await other.release(blocker)
      const holds = [await cutOff.acquire('free'), await waited]
      const next = ['free', 'waited for'].map(async (name) => {
        const hold = await other.acquire(name, { timeout: 120_000 })
        return { fence: hold.fence, at: Date.now() }
      })
      await mustStayBlocked(Promise.race(next))
      host.cut()
      const grants = await Promise.all(next)
      await until('both losses were told', () => cutOff.losses.length === 2)
      for (const [index, grant] of grants.entries()) {
        const loss = cutOff.losses.find(({ lost }) => lost === holds[index]?.key)
        expect(loss?.reason).toBe('connection')
        expect(loss?.at).toBeLessThan(grant.at)
        expect(grant.fence).toBeGreaterThan(holds[index]?.fence ?? Infinity)
      }
      console.log(
        `${client}: known ${grants.map(({ at }, index) => at - (cutOff.losses[index]?.at ?? 0)).join(' and ')} ms before`,
      )
      host.heal()
      expect((await cutOff.acquire('after')).fence).toBeGreaterThan(0)
      await Promise.all([cutOff.kill(), other.kill()])
    }
  },
)
