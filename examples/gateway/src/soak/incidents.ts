// What is done to the gateway in a soak. What a supervisor would do about it is done here too; what became of it is not
// decided here.
import { setTimeout as pause } from 'node:timers/promises'

import type { Planned } from './plan.js'
import type { World } from '../world/world.js'

/** Sessions in which commands answer too. No call fails there: a command waits for its call for a minute, with the turn in its hands. */
export const ASKED = ['asked-one', 'asked-two'] as const

/** Milliseconds of a call that takes longer than its lane. */
const LONG_CALL = 3_000
/** Milliseconds until a gateway that was told to end is killed. */
const PATIENCE = 20_000
/** Milliseconds until a tool that hangs has the lock in its hands: the next message must wait for it. */
const BEHIND = 300
/** Milliseconds after a command has begun. Most write something in the first ten; the one that answers is longer at it. */
const LATEST_KILL = 80
/** At once. */
const CROWD = 5
/** How often a gateway that does not start is started. */
const TRIES = 5

export class Incidents {
  /** How often the gateway was killed. */
  kills = 0
  /** What should not have been, whatever the files say. */
  readonly problems: string[] = []
  private readonly world: World
  private readonly going = new Set<Promise<void>>()
  private standsBy = false
  private replaced: Promise<void> = Promise.resolve()
  private isReplacing = false

  constructor(world: World) {
    this.world = world
  }

  /** Resolves when the next one may come. */
  async happen(planned: Planned): Promise<void> {
    const { kind, chance } = planned
    switch (kind) {
      case 'kill':
        return this.replace(() => this.kill())
      case 'end':
        return this.replace(() => this.tellToEnd())
      case 'stand by':
        return this.standBy()
      case 'stop':
        return this.stop(1_000 + 1_000 * chance)
      case 'block':
        this.world.order({ name: 'block', milliseconds: 1_000 })
        return
      case 'command':
        this.command(planned, Infinity)
        return
      case 'killed command':
        this.command(planned, LATEST_KILL * chance ** 2)
        return
      case 'burst':
        for (let count = 0; count < CROWD; count++) this.send(planned, count === 0 ? `[agents=${CROWD}]` : `${count}`)
        return
      case 'drop':
        this.send(planned, '[drop]')
        return
      case 'slow':
        this.send(planned, `[slow=${LONG_CALL}]`)
        return
      case 'hang':
        this.send(planned, '[tool=hang]')
        setTimeout(() => this.send(planned, 'behind it'), BEHIND)
        return
      case 'deaf':
      case 'lose':
      case 'untidy':
        this.send(planned, `[tool=${kind}]`)
        return
    }
  }

  /** Looks whether the gateway is there. One that has ended by itself is started again; that it did, the world tells. */
  async look(): Promise<void> {
    if (this.isReplacing || isAlive(this.world.gatewayPid)) return
    await this.replace(() => Promise.resolve())
  }

  /** Resolves when the commands have ended. */
  async over(): Promise<void> {
    await Promise.all(this.going)
    await this.world.killStandBy()
  }

  /** The one that is there, or that is being started. */
  async endGateway(): Promise<void> {
    await this.replaced
    await this.tellToEnd()
  }

  private async tellToEnd(): Promise<void> {
    if (await this.world.endGateway(PATIENCE)) return
    this.problems.push(`a gateway that was told to end did not, in ${PATIENCE} ms`)
  }

  private async kill(): Promise<void> {
    this.kills++
    await this.world.killGateway()
  }

  /** One after another: of two gateways that are started at once, one would wait for the other for ever. */
  private replace(end: () => Promise<void>): Promise<void> {
    const done = this.replaced.then(() => this.replaceNow(end))
    this.replaced = done.catch(() => {})
    return done
  }

  private async replaceNow(end: () => Promise<void>): Promise<void> {
    this.isReplacing = true
    try {
      await end()
      await this.start()
    } finally {
      this.isReplacing = false
      this.standsBy = false
    }
  }

  /** A port that somebody happens to have in that moment is free in the next. */
  private async start(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.world.startGateway()
        return
      } catch (error) {
        if (tries === TRIES) throw error
      }
    }
  }

  private async standBy(): Promise<void> {
    if (this.standsBy) await this.world.killStandBy()
    else this.world.startStandBy()
    this.standsBy = !this.standsBy
  }

  private async stop(milliseconds: number): Promise<void> {
    if (process.platform === 'win32') return // there is no such signal
    const pid = this.world.gatewayPid
    const goOn = (): void => {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT')
    }
    process.once('exit', goOn) // one that is stopped would not hear that its parent has ended
    process.kill(pid, 'SIGSTOP')
    await pause(milliseconds)
    process.off('exit', goOn)
    goOn()
  }

  private send({ session, at }: Planned, wish: string): void {
    void this.world.client.send(session, `at ${at} ${wish}`)
  }

  private command({ session, chance, at }: Planned, killedAfter: number): void {
    const asked = ASKED[chance < 0.5 ? 0 : 1]
    const name = (['ask', 'send', 'title'] as const)[Math.floor(chance * 9) % 3] ?? 'ask'
    const command = [name, name === 'ask' ? asked : session, `at ${at}`]
    const done = this.run(command, killedAfter).finally(() => this.going.delete(done))
    this.going.add(done)
  }

  private async run(command: readonly string[], killedAfter: number): Promise<void> {
    if (Number.isFinite(killedAfter)) await this.world.commandToKill(killedAfter, ...command)
    else if (!(await this.world.command(...command))) this.problems.push(`a command failed: ${command.join(' ')}`)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
