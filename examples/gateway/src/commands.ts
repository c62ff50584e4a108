// What other processes do to the gateway's files, while it runs or not: the command line, and jobs that come by the clock.
import { setTimeout as pause } from 'node:timers/promises'

import { UsageError } from './arguments.js'
import { Conversation } from './conversation.js'
import type { Files, Store } from './files.js'
import { Lanes } from './lanes.js'
import { stamp } from './lines.js'
import { isSession, transcriptOf } from './places.js'
import type { Provider } from './provider.js'
import { answer } from './run.js'

export const USAGE = `send <session> <text>    leaves a message, for the gateway that runs or the next one
ask <session> <text>     leaves a message, and answers it here, once it is its turn
title <session> <text>   gives the session a title
sessions                 lists sessions`

interface Here {
  readonly folder: string
  readonly files: Files
  readonly provider: Provider
}

/** Milliseconds that one answer may take here, as in a gateway that is not told otherwise. */
const LANE_TIMEOUT = 120_000

/** One command of the command line. Resolves to what is to be printed, once what it changed is on the device. */
export async function run([command, session = '', ...words]: readonly string[], here: Here): Promise<string> {
  const text = words.join(' ')
  if (command === 'sessions') return (await here.files.sessions()).join('\n')
  if (!isSession(session) || text === '') throw new UsageError(`Expected one of:\n${USAGE}`)
  if (command === 'send') return send(session, text, 'cli', here.files)
  if (command === 'ask') return ask(session, text, here)
  if (command === 'title') return title(session, text, here.files)
  throw new UsageError(`Expected one of:\n${USAGE}`)
}

/** Every so many milliseconds a message in one of the sessions, until the signal aborts. Tells what could not be written. */
export async function cron(
  sessions: readonly string[],
  every: number,
  files: Files,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): Promise<void> {
  for (let tick = 0; !signal.aborted; tick++) {
    const session = sessions[tick % sessions.length] ?? ''
    await send(session, `tick ${tick}`, 'cron', files).catch(failed)
    const enter = ({ sessions }: Store): void => {
      if (!Object.hasOwn(sessions, session)) sessions[session] = { answered: 0 }
    }
    await files.update(enter).catch(failed)
    await pause(every, undefined, { signal }).catch(() => {})
  }
}

async function send(session: string, text: string, by: string, files: Files): Promise<string> {
  const opened = await files.open(session)
  try {
    const message = { ...stamp(by), type: 'message', text } as const
    await opened.append(message)
    return message.key
  } finally {
    await opened.close()
  }
}

/** Answers what is unanswered up to its own message, in order, as every run does. A gateway that runs may be faster. */
async function ask(session: string, text: string, { folder, files, provider }: Here): Promise<string> {
  const key = await send(session, text, 'cli', files)
  const lanes = new Lanes('lane=cli', { size: 1, timeout: LANE_TIMEOUT })
  const opened = await files.open(session)
  const place = { session, path: transcriptOf(folder, session), files: opened }
  try {
    for (;;) {
      const conversation = Conversation.of(await opened.read())
      const { next } = conversation
      if (next === undefined || conversation.isAnswered(key)) return key
      await lanes.run(session, async (lane) => {
        await answer(next, await opened.turn('main', lane), place, { provider, tools: {} }, lane)
      })
    }
  } finally {
    await opened.close()
  }
}

async function title(session: string, text: string, files: Files): Promise<string> {
  await files.update(({ sessions }) => {
    sessions[session] = { answered: 0, ...sessions[session], title: text }
  })
  return text
}
