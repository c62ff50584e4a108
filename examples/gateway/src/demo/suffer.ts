// One incident in one world: messages come all the time, the mishap happens, and the files tell what became of them.
import { setTimeout as pause } from 'node:timers/promises'

import type { Mishap } from './incidents.js'
import { Ledger } from '../ledger/ledger.js'
import { readStanding } from '../ledger/standing.js'
import type { IncidentResult } from './report.js'
import { LANE_TIMEOUT, type Stage } from './stage.js'
import type { World } from '../world/world.js'

/** Milliseconds after the mishap in which messages come, and a session may recover. */
export const PATIENCE = 4_000
const BETWEEN_MESSAGES = 250
const WARM_UP = 8
/** Milliseconds for what was begun to come to its end, when no more messages come. The same for both ways. */
const SETTLE = 2_500
const LOOK = 50

export async function suffer(mishap: Mishap, { world, provider }: Stage): Promise<IncidentResult> {
  const { incident, title, session } = mishap
  const { client, way } = world
  for (let count = 0; count < WARM_UP; count++) void client.send(session, `hello ${count} [think=5]`)
  await settled(world, session)

  let since = Date.now()
  const happened = mishap.happen(world, provider, () => {
    since = Date.now()
  })
  for (let count = 0; Date.now() < since + PATIENCE; count++) {
    void client.send(session, `message ${count}`)
    await pause(BETWEEN_MESSAGES)
  }
  const failures = await happened
  const ledger = await settled(world, session)

  const { lines } = readStanding(world.folder, session)
  const zombies = lines.filter((line) => line.type === 'note' && line.text.includes('zombie')).length
  const problems = [...failures, ...ledger.problems]
  if (zombies > 0) problems.push(`${session}: lines of a run whose lane was over: ${zombies}`)
  return {
    incident,
    title,
    way,
    happened: storyOf(ledger, zombies, lines.filter(({ type }) => type === 'resumed').length),
    recovered: ledger.recoveredAfter(session, since),
    patience: PATIENCE,
    lane: LANE_TIMEOUT,
    ...ledger.totals,
    ok: problems.length === 0,
    problems,
  }
}

/** What the files of a world say, against everything that was sent and promised there. */
export function ledgerOf({ folder, promises, client }: World, session?: string): Ledger {
  return new Ledger({ folder, logs: promises, sent: client.sent, ...(session !== undefined && { session }) })
}

/** Waits until nothing is missing, in the session or in all of them; or for as long as it is worth. */
export async function settled(world: World, session?: string): Promise<Ledger> {
  const end = Date.now() + SETTLE
  for (;;) {
    const underWay = world.client.sent.some(
      (sent) => isOf(session, sent) && !sent.acknowledged && sent.refusal === undefined,
    )
    const ledger = ledgerOf(world, session)
    if ((ledger.ok && !underWay) || Date.now() > end) return ledger
    await pause(LOOK)
  }
}

function isOf(session: string | undefined, one: { readonly session: string }): boolean {
  return session === undefined || session === one.session
}

/** Lost messages are of two kinds: those that were refused with an error, and those that were taken and never answered. */
function storyOf({ sessions, totals }: Ledger, zombies: number, resumed: number): string {
  const { sent, lost } = totals.messages
  const taken = sessions.flatMap(({ messages }) => messages.lost.filter((key) => messages.kept.includes(key))).length
  const story = []
  if (lost === 0) story.push(`all ${sent} messages answered`)
  if (lost > taken) story.push(`${lost - taken} messages refused`)
  if (taken > 0) story.push(`${taken} taken and not answered`)
  if (lost === 0 && totals.answers.disordered === 0) story.push('in order')
  if (resumed > 0) story.push(`${resumed} cut off and resumed`)
  if (zombies > 0) story.push('a run wrote after its lane had ended')
  return story.join(', ')
}
