// What is done to sessions, hosts and the server, besides what nemesis.ts of the history does to processes. Written down before
// it is done, or after it was, on the side where it is certain.
import { setTimeout as pause } from 'node:timers/promises'

import { KIND, now, type EventLog } from '../history/events.js'
import { Nemesis, type Victim } from '../history/nemesis.js'
import type { Random } from '../history/random.js'
import type { Host } from './hosts.js'
import { applicationOf, hostOf, numberOfApplication, type RemotePlan } from './plan.js'
import type { PostgresServer } from './server.js'

export class RemoteNemesis extends Nemesis {
  private readonly remote: RemotePlan
  private readonly server: PostgresServer
  private readonly hosts: readonly Host[]
  /** By number. */
  private readonly cutOff = new Set<number>()
  private resting = false
  private calm = new AbortController()
  /** The server. */
  private away = false
  private restarted = 0
  private readonly strikes = new Set<Promise<void>>()

  /** Nobody on a host that is cut off is killed: what that takes is measured. */
  constructor(
    plan: RemotePlan,
    log: EventLog,
    random: Random,
    victims: () => Victim[],
    server: PostgresServer,
    hosts: readonly Host[],
  ) {
    super(plan, log, random, () => victims().filter(({ number }) => !this.cutOff.has(hostOf(plan, number))))
    this.remote = plan
    this.server = server
    this.hosts = hosts
  }

  override async run(): Promise<void> {
    const { terminations, cancelStorms, restarts, cuts, longStops } = this.remote.nemeses
    await Promise.all([
      super.run(),
      this.again(terminations, () => this.terminate()),
      this.again(cancelStorms, () => this.cancel()),
      this.again(restarts, () => this.restart()),
      this.again(longStops, () => this.stopForLong()),
      ...this.hosts.map((_, index) => this.again(cuts, () => this.cut(index + 1))),
    ])
  }

  /** Nothing is done any more, and nothing is under way, until resume(). */
  async rest(): Promise<void> {
    this.resting = true
    this.calm.abort()
    await Promise.all(this.strikes)
  }

  resume(): void {
    this.resting = false
    this.calm = new AbortController()
  }

  protected override again(frequency: number, strike: () => Promise<void> | void): Promise<void> {
    return super.again(frequency, async () => {
      if (this.resting) return
      const work = Promise.resolve(strike())
      this.strikes.add(work)
      await work
      this.strikes.delete(work)
    })
  }

  private async terminate(number?: number): Promise<void> {
    const which = number === undefined ? `like 'lab:%' order by random() limit 1` : `= '${applicationOf(number)}'`
    const time = now()
    const sessions = await this.ask(
      `select application, pg_terminate_backend(pid) from
        (select application_name as application, pid from pg_stat_activity where application_name ${which}) as chosen`,
    )
    for (const { application } of sessions) {
      this.log.write(KIND.sessionEnded, { id: numberOfApplication(application), time, time2: now() })
    }
  }

  /** Whatever anybody's sessions do, again and again. */
  private async cancel(): Promise<void> {
    const time = now()
    for (let rounds = 5 + this.random.below(30); rounds > 0; rounds--) {
      await this.ask(
        `select application_name as application, pg_cancel_backend(pid) from pg_stat_activity
          where application_name like 'lab:%'`,
      )
    }
    this.log.write(KIND.canceled, { time, time2: now() })
  }

  private async restart(): Promise<void> {
    const time = now()
    this.away = true
    await this.server.end(this.random.chance(0.5) ? 'SIGINT' : 'SIGQUIT')
    await this.server.run()
    this.away = false
    this.restarted++
    this.log.write(KIND.restarted, { time, time2: now() })
  }

  /** Too short for anything, long enough for holds to be lost, or for the server to give them to others. */
  private async cut(host: number): Promise<void> {
    if (this.cutOff.has(host)) return
    const { every, answer, server } = this.remote.heartbeat
    const [least, most] = this.random.pick([
      [50, 500],
      [every + answer, server],
      [server + 500, server + 3500],
      [server + 500, server + 3500],
    ])
    await this.without(host, least + this.random.below(most - least))
  }

  private async without(host: number, milliseconds: number): Promise<void> {
    this.cutOff.add(host)
    this.log.write(KIND.cut, { id: host })
    this.hosts[host - 1]?.cut()
    await this.last(milliseconds)
    this.hosts[host - 1]?.heal()
    this.log.write(KIND.healed, { id: host })
    this.cutOff.delete(host)
  }

  /** A process that does not run while the server gives its locks to others. */
  private async stopForLong(): Promise<void> {
    const victim = this.victim()
    if (victim === null || victim.gone) return
    const host = hostOf(this.remote, victim.number)
    this.log.write(KIND.stop, { id: victim.number, a: victim.pid })
    victim.kill('SIGSTOP')
    if (host === 0 || this.cutOff.has(host) || this.random.chance(0.5)) {
      await this.terminate(victim.number)
      await this.last(this.random.below(1500))
    } else {
      await this.without(host, this.remote.heartbeat.server + this.random.below(3000))
    }
    victim.kill('SIGCONT')
    this.log.write(KIND.continued, { id: victim.number, a: victim.pid })
  }

  /** For so long, or until all is to be quiet. */
  private async last(milliseconds: number): Promise<void> {
    await pause(milliseconds, undefined, { signal: this.calm.signal }).catch(() => {})
  }

  /** Nothing where the server is away. */
  private async ask(text: string): Promise<{ application: string }[]> {
    const { restarted } = this
    try {
      return await this.server.query<{ application: string }>(text)
    } catch (error) {
      if (this.away || this.restarted > restarted) return []
      throw error
    }
  }
}
