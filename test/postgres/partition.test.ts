// Hosts with a network of their own between them, that is cut: the server frees what a host held that it cannot reach, and that
// host knows before. The hosts are network namespaces, so all of them have one wall clock, and moments can be compared.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { canMakeHosts, Host } from '../../lab/remote-history/hosts.js'
import { missing, type Capability } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresAgent } from './agent.js'
import { PostgresServer, postgresServer } from './server.js'

const namespaces: Capability = { name: 'the right to make network namespaces', there: canMakeHosts() }
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

/** It is gone after the test. */
function newHost(): Host {
  const host = new Host()
  onTestFinished(() => host.remove())
  return host
}

test.skipIf(skip).each(adapters)(
  'a host that is cut off knows that its holds are lost before another one is granted them: with $name',
  { timeout: 60_000 * ROUNDS },
  async ({ name: client }) => {
    for (let round = 0; round < ROUNDS; round++) {
      const host = newHost()
      const cutOff = await PostgresAgent.start(host.urlOf(server), { client, heartbeat: SHORT, network: host.name })
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
