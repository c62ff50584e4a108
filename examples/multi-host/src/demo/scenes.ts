// What is done to the gateways, and what must be true of it.
import type { Told } from '../events.js'
import type { Program } from './program.js'
import type { Stage } from './stage.js'

export type SceneName = 'calm' | 'cut' | 'stopped'

export const SCENES: Readonly<Record<SceneName, (stage: Stage) => Promise<void>>> = { calm, cut, stopped }

type Granted = Extract<Told, { event: 'granted' }>
type Lost = Extract<Told, { event: 'lost' }>

const grantOf =
  (session: string, above = 0) =>
  (event: Told): event is Granted =>
    event.event === 'granted' && event.session === session && event.fence > above

const lossOf =
  ({ session, fence }: Granted) =>
  (event: Told): event is Lost =>
    event.event === 'lost' && event.session === session && event.fence === fence

const ids = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`)

const ROUNDS = 8
const CROWD = 25

/** Both write to the same sessions, and nothing happens. */
async function calm(stage: Stage): Promise<void> {
  const { story, gateways } = stage
  story.chapter('Both gateways write to the same sessions')
  const begun = stage.events.length
  for (let round = 1; round <= ROUNDS; round++) {
    const all = Object.values(gateways).map(async (gateway) => {
      const messages = ids(`${gateway.name}-${round}`, CROWD)
      for (const [index, id] of messages.entries()) stage.send(gateway, ['alpha', 'beta'][index % 2] ?? '', id)
      await stage.acknowledged(gateway, messages)
    })
    await Promise.all(all)
  }
  const events = stage.events.slice(begun)
  const count = (name: Told['event']): number => events.filter(({ event }) => event === name).length
  story.tell(Date.now(), 'both', `${count('acknowledged')} lines acknowledged, under ${count('granted')} holds`)
  story.claim('lines that are there together are written under one hold', count('granted') < count('acknowledged'))
  const isCalm = count('lost') === 0 // a machine that stands still for a second loses locks
  story.claim('the database refuses nothing while nobody loses a lock', !isCalm || count('unacknowledged') === 0)
}

/** One is cut off when its commit was sent and the answer was not. */
async function cut(stage: Stage): Promise<void> {
  const { story, gateways, gate } = stage
  const { north, south } = gateways
  story.chapter('The host north is cut off in the middle of a write')
  const late = stage.lateWriter(stage.north, 'beta', 'late-after-cut')
  const beta = await late.until('granted', grantOf('beta'))
  story.tell(
    beta.at,
    'late',
    `is on the host north, holds beta with the fence ${beta.fence}, and will write when told to`,
  )

  await gate.close()
  const doubtful = 'gated-north'
  stage.send(north, 'alpha', doubtful)
  await gate.reached()
  const [alpha] = north.events.filter(grantOf('alpha')).slice(-1)
  if (alpha === undefined) throw new Error('a commit stands at the gate, and nobody was granted the lock')
  story.tell(alpha.at, 'north', `holds alpha with the fence ${alpha.fence}, and has sent the commit of ${doubtful}`)
  const next = { alpha: ids('south-alpha', 3), beta: ids('south-beta', 3) }
  stage.send(south, 'alpha', ...next.alpha)
  stage.send(south, 'beta', ...next.beta)
  await stage.waiting(south, 2)
  story.tell(Date.now(), 'south', 'waits for alpha and beta')

  stage.north.cut()
  story.tell(Date.now(), 'network', 'north is cut off')
  await gate.open()
  story.tell(Date.now(), 'database', 'commits it, and cannot tell north')
  const queued = ids('north-in-the-dark', 3)
  stage.send(north, 'alpha', ...queued)

  const losses = [await north.until('lost alpha', lossOf(alpha)), await late.until('lost beta', lossOf(beta))] as const
  for (const { at, session, held, why } of losses) {
    story.tell(at, session === 'alpha' ? 'north' : 'late', `knows that it has lost ${session}: ${why}, held is ${held}`)
  }
  const open = await north.until('unacknowledged', (event) => event.event === 'unacknowledged')
  story.tell(open.at, 'north', `has not acknowledged: ${open.ids.join(', ')}`)
  for (const { at, session, fence, held } of losses) {
    const grant = await south.until(`granted ${session}`, grantOf(session, fence))
    story.tell(grant.at, 'south', `is granted ${session} with the fence ${grant.fence}`)
    story.claim(`whoever had lost ${session} knew it before it was granted to south`, !held && at < grant.at)
  }
  await stage.acknowledged(south, [...next.alpha, ...next.beta])
  story.tell(Date.now(), 'south', 'has written, and goes on')
  const later = ids('south-later', 10)
  stage.send(south, 'alpha', ...later)
  await stage.acknowledged(south, later)
  const isAcknowledged = (event: Told): boolean => event.event === 'acknowledged' && event.id === doubtful
  story.claim('nobody was told that the line in doubt is written', !north.events.some(isAcknowledged))

  stage.north.heal()
  story.tell(Date.now(), 'network', 'north is reached again')
  late.send({})
  await refused(stage, late)
  await stage.acknowledged(north, [doubtful, ...queued])
  story.tell(Date.now(), 'north', 'is back, and everything it was sent is acknowledged')
  const found = north.events.find(isAcknowledged)
  story.claim(
    'the line in doubt was found where the lost commit had put it, and not written again',
    found?.event === 'acknowledged' && !found.added,
  )
}

/** One is stopped between its last look and its write, and goes on when somebody else has the lock. */
async function stopped(stage: Stage): Promise<void> {
  const { story, gateways, admin } = stage
  const { south } = gateways
  story.chapter('A process is stopped between its look and its write')
  const late = stage.lateWriter(stage.north, 'gamma', 'late-after-stop', '--stop')
  const gamma = await late.until('granted', grantOf('gamma'))
  story.tell(gamma.at, 'late', `holds gamma with the fence ${gamma.fence}, and is stopped before it writes`)
  const messages = ids('south-gamma', 3)
  stage.send(south, 'gamma', ...messages)
  await stage.waiting(south, 1)
  const ended = `select pg_terminate_backend(pid) from pg_stat_activity where application_name like $1`
  story.tell(Date.now(), 'database', 'ends the session of its locks; it cannot know that')
  await admin.query(ended, [`holdfast:%:${late.pid}`])
  await stage.acknowledged(south, messages)
  const grant = await south.until('granted gamma', grantOf('gamma', gamma.fence))
  story.tell(grant.at, 'south', `is granted gamma with the fence ${grant.fence}, and writes`)
  story.tell(Date.now(), 'late', 'goes on, and writes')
  late.signal('SIGCONT')
  await refused(stage, late)
}

async function refused({ story }: Stage, late: Program): Promise<void> {
  const answer = await late.until('refused', (event) => event.event === 'refused' || event.event === 'acknowledged')
  const isRefused = answer.event === 'refused' && answer.why.startsWith('FencedError')
  story.tell(answer.at, 'late', isRefused ? `was refused by the database: ${answer.why}` : JSON.stringify(answer))
  story.claim('what is written too late is refused', isRefused)
}
