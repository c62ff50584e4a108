// The five incidents, each as something that is done to a gateway. What becomes of it is not decided here.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import type { Incident } from '../lock-files/rules.js'
import type { ProviderServer } from '../world/provider-server.js'
import type { World } from '../world/world.js'

export interface Mishap {
  readonly incident: Incident
  readonly title: string
  /** Messages come to this session all the time. */
  readonly session: string
  /**
   * Does it to the world, and brings back what a supervisor would bring back. Says when it strikes: the last time counts.
   * Resolves to what did not succeed of it.
   */
  happen(world: World, provider: ProviderServer, strike: () => void): Promise<readonly string[]>
}

/** Milliseconds between a bad run and the restart after it. */
const UNTIL_RESTART = 1_000
/** At once, of each kind. */
const CROWD = 5

export const MISHAPS: readonly Mishap[] = [
  {
    incident: 'I-1',
    title: 'network fails, gateway is killed in a run',
    session: 'network-failure',
    async happen(world, provider, strike) {
      const inTheMiddle = dropped(provider, this.session)
      void world.client.send(this.session, 'what is the news? [drop]')
      await inTheMiddle
      strike()
      await world.killGateway()
      await world.startGateway()
      return []
    },
  },
  {
    incident: 'I-2',
    title: 'a live gateway leaks a lock',
    session: 'leaked-hold',
    async happen({ client }, _provider, strike) {
      await client.send(this.session, 'index this [tool=lose]')
      strike()
      await client.send(this.session, 'read the stream [tool=hang]')
      return []
    },
  },
  {
    incident: 'I-3',
    title: 'a call outlasts its lane',
    session: 'slow-call',
    async happen({ client }, _provider, strike) {
      strike()
      await client.send(this.session, 'take your time [tool=deaf]')
      return []
    },
  },
  {
    incident: 'I-4',
    title: 'release skipped; restart, its pid in use',
    session: 'skipped-release',
    async happen(world, _provider, strike) {
      await world.client.send(this.session, 'mind the mess [tool=untidy]')
      await pause(UNTIL_RESTART)
      strike()
      await world.killGateway()
      useAgain(world.folder, process.pid)
      await world.startGateway()
      return []
    },
  },
  {
    incident: 'I-5',
    title: '5 + 5 lanes, CLI and cron on one session',
    session: 'crowd',
    async happen(world, _provider, strike) {
      strike()
      const { client } = world
      const messages = Array.from({ length: CROWD }, (_, index) =>
        client.send(this.session, `question ${index} [think=400]${index === 0 ? ` [agents=${CROWD}]` : ''}`),
      )
      const commands = ['ask', 'title'].map(async (name) => {
        const done = await world.command(name, this.session, `the ${name} of the command line [think=400]`)
        return done ? [] : [`${this.session}: the command ${name} failed`]
      })
      const [failures] = await Promise.all([Promise.all(commands), ...messages])
      return failures.flat()
    },
  },
]

function dropped(provider: ProviderServer, session: string): Promise<void> {
  return new Promise((resolve) => {
    provider.on('dropped', (name) => {
      if (name === session) resolve()
    })
  })
}

/** Every lock file says now that it is this process's, which lives: those of dead processes, and for a moment others. */
function useAgain(folder: string, pid: number): void {
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.lock') && !name.endsWith('.hold')) continue
    const path = join(folder, name)
    const before = readFileSync(path, 'latin1')
    // As long as it was: a record has its place.
    const after = before.replace(/"pid":\d+/, `"pid":${pid}`).trimEnd()
    if (before !== '') writeFileSync(path, after.padEnd(before.length).slice(0, before.length), 'latin1')
  }
}
