// One incident in one world: messages come all the time, the mishap happens, and the files tell what became of them.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

import type { Line } from '../lines.js'
import { transcriptOf } from '../places.js'
import type { Mishap } from './incidents.js'
import { Ledger, type Totals } from '../ledger/ledger.js'
import type { IncidentResult } from './report.js'
import type { Stage } from './stage.js'
import type { World } from '../world/world.js'

/** Milliseconds after the mishap in which messages come, and a session may recover. */
export const PATIENCE = 4_000
const BETWEEN_MESSAGES = 250
const WARM_UP = 8
/** Until everything that was promised is in the files. A gateway that has lost it will not find it later. */
const SETTLE = { holdfast: 15_000, 'lock file': 1_500 }
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
  await happened
  const ledger = await settled(world, session)

  const zombies = zombieLines(world, session)
  const problems = [...ledger.problems]
  if (zombies > 0) problems.push(`${session}: lines of a run whose lane was over: ${zombies}`)
  return {
    incident,
    title,
    way,
    happened: storyOf(ledger.totals, zombies, resumedRuns(world, session)),
    recovered: ledger.recoveredAfter(session, since),
    patience: PATIENCE,
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
  const end = Date.now() + SETTLE[world.way]
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

function storyOf({ messages, answers }: Totals, zombies: number, resumed: number): string {
  const { sent, lost } = messages
  const story = []
  story.push(lost === 0 ? `all ${sent} messages answered` : `${lost} of ${sent} messages not answered`)
  if (lost === 0 && answers.disordered === 0) story.push('in order')
  if (resumed > 0) story.push(`${resumed} cut off and resumed`)
  if (zombies > 0) story.push('a run wrote after its lane had ended')
  return story.join(', ')
}

function resumedRuns(world: World, session: string): number {
  return linesOf(world, session).filter(({ type }) => type === 'resumed').length
}

function zombieLines(world: World, session: string): number {
  return linesOf(world, session).filter((line) => line.type === 'note' && line.text.includes('zombie')).length
}

function linesOf({ folder }: World, session: string): Line[] {
  const text = readFileSync(transcriptOf(folder, session), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}
