// A sub-agent's run: it works for an answer that was given, beside the session's next runs and other sub-agents, and all
// of them write the same transcript.
import { Conversation, type Task } from './conversation.js'
import type { Files, Turn } from './files.js'
import type { Lane } from './lanes.js'
import { stamp } from './lines.js'
import { textOf } from './log.js'
import type { Provider } from './provider.js'
import type { Place } from './run.js'

/** Does the task and reports it, unless that was done already. Ends the turn. */
export async function work(task: Task, turn: Turn, place: Place, shared: Files, provider: Provider, lane: Lane) {
  const { session, files } = place
  try {
    const conversation = Conversation.of(await files.read())
    if (conversation.isReported(task)) return
    const { to, agent } = task
    if (turn.recoveredFrom !== null) {
      await turn.append({ ...stamp(lane.label), type: 'resumed', to, from: turn.recoveredFrom })
    }
    const think = (text: string) => provider.reply({ session, text, lines: conversation.lines }, lane.signal)
    const note = (text: string) => turn.append({ ...stamp(lane.label), type: 'note', to, text })

    await note((await think(`exec ${agent}`)).text)
    const giveBack = await shared.browser(lane)
    try {
      await note((await think(`browse ${agent}`)).text)
    } finally {
      giveBack()
    }
    await note((await think(`remember ${agent}`)).text)
    await turn.append({ ...stamp(lane.label), type: 'report', to, agent, text: 'done' })
  } finally {
    turn.end()
  }
}

/** The report of a task that cannot be done. Ends the turn. */
export async function abandon(task: Task, turn: Turn, { files }: Place, reason: unknown, lane: Lane) {
  try {
    if (Conversation.of(await files.read()).isReported(task)) return
    await turn.append({
      ...stamp(lane.label),
      type: 'report',
      ...task,
      text: `Not done: ${textOf(reason)}`,
      failed: true,
    })
  } finally {
    turn.end()
  }
}
