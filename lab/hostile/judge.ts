// Plays one case as one user, and says everything that is wrong with how it went.
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { Arena, ATTACKER } from './arena.js'
import type { AttackerCalls, Ended, PlainOptions, VictimCalls, Way } from './calls.js'
import type { Case, Scene } from './case.js'
import { Blocked, Remote, type Identity } from './remote.js'
import { differences, snapshotOf } from './snapshot.js'
import { isRoot, type User } from './users.js'

const programOf = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url))

const WAYS: readonly Way[] = ['tryAcquire', 'at once', 'acquire', 'shared', 'acquireAll', 'withLock']

/** What a terminal would obey, or read in another order; and ends of lines, which would forge another message. */
const UNCLEAN = /[\p{Cc}\p{Cf}\u2028\u2029]/u
/** Of what is printed as it is in many lines. Node's own printing escapes the rest, but no bidirectional characters. */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const UNCLEAN_LINES = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/

export interface Verdict {
  readonly outcome: string
  /** Empty: it went as it must. */
  readonly wrong: readonly string[]
}

interface Cast {
  readonly victim: Remote<VictimCalls>
  /** Whoever else asks for the lock; it may open whatever stands there. */
  readonly witness: Remote<VictimCalls>
  readonly attacker: Remote<AttackerCalls>
}

/** The processes of one user's cases: they stay from case to case, unless a case has cost them their life. */
export class Stage {
  private readonly user: User
  private readonly identity: Identity
  private cast: Cast | null = null

  constructor(user: User, identity: Identity) {
    this.user = user
    this.identity = identity
  }

  async play(one: Case): Promise<Verdict> {
    const cast = await this.ready()
    const arena = new Arena(this.user)
    const wrong: string[] = []
    let outcome: string
    try {
      outcome = await perform(one, { arena, user: this.user, ...cast }, wrong)
    } catch (error) {
      outcome = error instanceof Blocked ? 'BLOCKED' : 'FAILED'
      wrong.push(error instanceof Error ? error.message : String(error))
      await this.end() // nobody knows what they still do
    }
    arena.remove()
    const expected = typeof one.expect === 'string' ? one.expect : one.expect[this.user]
    if (outcome !== expected) wrong.unshift(`expected ${expected}`)
    return { outcome, wrong: [...new Set(wrong)] }
  }

  async end(): Promise<void> {
    const { cast } = this
    this.cast = null
    if (cast !== null) await Promise.all([cast.victim.end(), cast.witness.end(), cast.attacker.end()])
  }

  private async ready(): Promise<Cast> {
    if (this.cast !== null) return this.cast
    const [victim, witness, attacker] = await Promise.all([
      Remote.start<VictimCalls>(programOf('victim'), this.identity),
      Remote.start<VictimCalls>(programOf('victim'), {}),
      Remote.start<AttackerCalls>(programOf('attacker'), isRoot ? ATTACKER : {}),
    ])
    this.cast = { victim, witness, attacker }
    return this.cast
  }
}

async function perform(one: Case, props: Cast & { arena: Arena; user: User }, wrong: string[]): Promise<string> {
  const { arena, victim, witness, attacker } = props
  const note = (ended: Ended): string => {
    for (const message of ended.messages) if (UNCLEAN.test(message)) wrong.push(`says ${JSON.stringify(message)}`)
    for (const lines of ended.printed) if (UNCLEAN_LINES.test(lines)) wrong.push(`prints ${JSON.stringify(lines)}`)
    if (ended.outcome.startsWith('untyped')) wrong.push('no typed error')
    return ended.outcome
  }
  const everyWay = (path: string, options?: PlainOptions): Promise<string> => {
    return tryEveryWay({ victim, witness, note, wrong }, path, options)
  }
  const scene: Scene = { ...props, note, everyWay }
  await one.plant?.(arena, scene)
  const before = { tree: snapshotOf(arena.base), left: await victim.ask('left') }

  const outcome = await (one.act?.(scene) ?? everyWay(arena.target, one.options?.(arena)))

  await attacker.ask('letGo')
  await attacker.ask('stop')
  const locked = outcome.startsWith('lock')
  const appears = one.appears ?? (locked ? ['shared/data.hold'] : [])
  wrong.push(...differences(before.tree, snapshotOf(arena.base), { changes: one.changes ?? [], appears }))
  const output = victim.takeOutput()
  if (output !== '') wrong.push(`prints ${JSON.stringify(output)}`)
  wrong.push(...(await leaks(victim, before.left)))
  return outcome
}

/** The one outcome that all ways have in common; where they differ, all of them. */
async function tryEveryWay(
  cast: Pick<Cast, 'victim' | 'witness'> & { note: (ended: Ended) => string; wrong: string[] },
  path: string,
  options: PlainOptions | undefined,
): Promise<string> {
  const { victim, note } = cast
  const outcomes = new Map<Way, string>()
  for (const way of WAYS) {
    if (way === 'acquireAll' && options?.lockfile !== undefined) continue
    const ended = await victim.ask('lock', way, path, options)
    outcomes.set(way, note(ended))
    if (ended.key !== null) await proveExclusion({ ...cast, path, options }, way, ended.key)
  }
  const { lockfile } = options ?? {}
  const look = note(await victim.ask('inspect', path, lockfile === undefined ? {} : { lockfile }))
  const [first = ''] = outcomes.values()
  // A shared hold has no record of its own: it counts as what the exclusive ones are.
  if (first.startsWith('lock') && outcomes.get('shared')?.startsWith('lock') === true) outcomes.set('shared', first)
  const all = new Set(outcomes.values())
  const outcome = all.size === 1 ? first : [...outcomes].map((pair) => pair.join(': ')).join(', ')
  const usual = look === outcome || look === 'free' || (look === 'held' && outcome === 'busy')
  return usual ? outcome : `${outcome} / ${look}`
}

interface Claim {
  readonly victim: Remote<VictimCalls>
  readonly witness: Remote<VictimCalls>
  readonly wrong: string[]
  readonly path: string
  readonly options: PlainOptions | undefined
}

/** While the victim holds it nobody else gets it; afterwards somebody does, and the victim does not meanwhile. */
async function proveExclusion(
  { victim, witness, wrong, path, options }: Claim,
  way: string,
  key: number,
): Promise<void> {
  const ask = (who: Remote<VictimCalls>): Promise<Ended> => {
    return who.ask('lock', 'tryAcquire', path, { ...options, record: false })
  }
  const held = await victim.ask('assertHeld', key)
  if (held.outcome !== 'held') wrong.push(`${way}: the hold is ${held.outcome}`)
  const during = await ask(witness)
  if (during.outcome !== 'busy') wrong.push(`${way} does not exclude: another process gets ${during.outcome}`)
  if (during.key !== null) await witness.ask('letGo', during.key)
  await victim.ask('letGo', key)
  const after = await ask(witness)
  if (after.key === null) {
    wrong.push(`${way}: after its release another process gets ${after.outcome}`)
    return
  }
  const again = await ask(victim)
  if (again.outcome !== 'busy') wrong.push(`another process does not exclude: ${way} gets ${again.outcome}`)
  if (again.key !== null) await victim.ask('letGo', again.key)
  await witness.ask('letGo', after.key)
}

/** A wait that was given up keeps its descriptor until the kernel answers it, which it does now that nobody holds on. */
async function leaks(victim: Remote<VictimCalls>, before: readonly string[]): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const rest = [...before]
    const leaked = (await victim.ask('left')).filter((one) => {
      const at = rest.indexOf(one)
      if (at >= 0) rest.splice(at, 1)
      return at < 0
    })
    if (leaked.length === 0) return []
    if (tries === 400) return leaked.map((one) => `leaks ${one}`)
    await pause(5)
  }
}
