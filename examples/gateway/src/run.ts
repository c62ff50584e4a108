// A run: one message is answered, in a lane. It has the session's turn from beginning to end, so answers come one after
// another, whichever process gives them. The transcript's own lock is held for each line's write alone.
import { Conversation } from './conversation.js'
import type { SessionFiles, Turn } from './files.js'
import type { Lane } from './lanes.js'
import { stamp, type Message } from './lines.js'
import { textOf } from './log.js'
import type { Provider } from './provider.js'
import type { Tools } from './tools.js'

export interface Means {
  readonly provider: Provider
  readonly tools: Tools
}

/** Where a run takes place. */
export interface Place {
  readonly session: string
  readonly path: string
  readonly files: SessionFiles
}

/**
 * Answers the message, unless it is answered already: by another process, or by a run that was cut off right after it. Ends
 * the turn.
 */
export async function answer(message: Message, turn: Turn, { session, path, files }: Place, means: Means, lane: Lane) {
  const cleanUps: (() => Promise<void>)[] = []
  try {
    const conversation = Conversation.of(await files.read())
    if (conversation.isAnswered(message.key)) return
    if (turn.recoveredFrom !== null) await resume(message, turn, turn.recoveredFrom, lane)

    const prompt = { session, text: message.text, lines: conversation.lines }
    const { text, tools, agents } = await means.provider.reply(prompt, lane.signal)
    const note = (text: string) => turn.append({ ...stamp(lane.label), type: 'note', to: message.key, text })
    for (const name of tools) {
      const tool = Object.hasOwn(means.tools, name) ? means.tools[name] : undefined
      if (tool === undefined) await note(`There is no tool ${JSON.stringify(name)}`)
      const cleanUp = await tool?.({ lane, path, note })
      if (cleanUp !== undefined) cleanUps.push(cleanUp)
    }
    await turn.append({ ...stamp(lane.label), type: 'answer', to: message.key, text, agents })
  } finally {
    // If one of these throws, the turn ends with the lane instead.
    for (const cleanUp of cleanUps) await cleanUp()
    turn.end()
  }
}

/** The answer to a message to which there is none: nobody is left without a word. Ends the turn. */
export async function refuse(message: Message, turn: Turn, { files }: Place, reason: unknown, lane: Lane) {
  try {
    if (Conversation.of(await files.read()).isAnswered(message.key)) return
    const text = `No answer: ${textOf(reason)}`
    await turn.append({ ...stamp(lane.label), type: 'answer', to: message.key, text, failed: true, agents: 0 })
  } finally {
    turn.end()
  }
}

async function resume(message: Message, turn: Turn, from: string, lane: Lane): Promise<void> {
  await turn.append({ ...stamp(lane.label), type: 'resumed', to: message.key, from })
}
