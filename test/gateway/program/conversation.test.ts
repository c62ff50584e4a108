// What lines come to, and what a compaction leaves of them. Pure: no file, no lock.
import { describe, expect, test } from 'vitest'

import { shorten } from '../../../examples/gateway/src/compaction.js'
import { Conversation } from '../../../examples/gateway/src/conversation.js'
import { reportOf, type Line, type Report, type Summary } from '../../../examples/gateway/src/lines.js'
import { answer, message, ofType } from './stand.js'

function report(to: string, agent: number): Report {
  return { type: 'report', key: `report-${to}-${agent}`, to, agent, text: 'done', at: 3, by: 'somebody' }
}

function note(to: string, key: string): Line {
  return { type: 'note', key, to, text: 'looks', at: 2, by: 'somebody' }
}

function exchange(key: string): Line[] {
  return [message(key), note(key, `note-${key}`), answer(key)]
}

const say = (exchanges: number) => Promise.resolve(`${exchanges} exchanges`)

async function shortened(lines: readonly Line[]): Promise<Line[]> {
  const short = await shorten(lines, say)
  if (short === null) throw new Error('nothing of it was over')
  return short
}

function first(lines: readonly Line[]): Summary {
  const [line] = lines
  if (line?.type !== 'summary') throw new Error('the first line is no summary')
  return line
}

describe('a conversation', () => {
  test('the oldest message without an answer is the next one, wherever its answer may stand', () => {
    const conversation = Conversation.of([message('a'), message('b'), message('c'), answer('b')])
    expect([conversation.next?.key, conversation.waiting, conversation.answered]).toEqual(['a', 2, 1])
    conversation.add(answer('a'))
    expect([conversation.next?.key, conversation.waiting, conversation.answered]).toEqual(['c', 1, 2])
  })

  test('a message that stands there twice is one message, also behind its answer', () => {
    const conversation = Conversation.of([message('a'), message('a'), message('b')])
    expect(conversation.waiting).toBe(2)
    conversation.add(answer('a'))
    conversation.add(message('a'))
    expect([conversation.next?.key, conversation.waiting]).toEqual(['b', 1])
  })

  test('an answer counts once, whether it is told of before it is read or stands there twice', () => {
    const conversation = Conversation.of([message('a')])
    conversation.answer('a')
    conversation.add(answer('a'))
    conversation.add(answer('a'))
    expect([conversation.answered, conversation.next]).toEqual([1, undefined])
  })

  test('a message of which is known that it is answered does not wait when it is read, nor those behind it for it', () => {
    const conversation = new Conversation()
    conversation.answer('a') // the file was replaced while its run went on, and is read anew
    for (const line of [message('a'), message('b'), answer('a')]) conversation.add(line)
    expect([conversation.next?.key, conversation.waiting, conversation.answered]).toEqual(['b', 1, 1])
    conversation.add(answer('b'))
    expect([conversation.next, conversation.waiting, conversation.answered]).toEqual([undefined, 0, 2])
  })

  test('each sub-agent of an answer is due until its own report, also one that is read before the answer', () => {
    const conversation = Conversation.of([message('a'), report('a', 1), answer('a', 3), report('a', 0)])
    expect([...conversation.tasks]).toEqual([{ to: 'a', agent: 2 }])
    expect(conversation.isReported({ to: 'a', agent: 1 })).toBe(true)
    expect(conversation.isReported({ to: 'a', agent: 2 })).toBe(false)
  })

  test('a summary stands for all that it names', () => {
    const lines: Line[] = [message('a'), answer('a', 1), report('a', 0)]
    const summary: Summary = {
      ...{ type: 'summary', key: 'summary', at: 4, by: 'somebody', text: 'so far', keys: lines.map(({ key }) => key) },
      ...{ messages: ['a'], answers: ['a'], reports: [reportOf('a', 0)] },
    }
    const conversation = Conversation.of([summary, message('a'), message('b')])
    expect([conversation.next?.key, conversation.answered, [...conversation.messages]]).toEqual(['b', 1, ['a', 'b']])
    expect(conversation.isReported({ to: 'a', agent: 0 })).toBe(true)
  })
})

describe('what a compaction leaves', () => {
  const six = ['a', 'b', 'c', 'd', 'e', 'f']

  test('of six exchanges two become a summary that names each of their lines, and four stay as they are', async () => {
    const lines = six.flatMap(exchange)
    const short = await shortened(lines)
    expect(short.slice(1)).toEqual(lines.slice(6))
    const { keys, messages, answers, reports, text } = first(short)
    expect(keys).toEqual(['a', 'note-a', 'answer-a', 'b', 'note-b', 'answer-b'])
    expect([messages, answers, reports, text]).toEqual([['a', 'b'], ['a', 'b'], [], '2 exchanges'])
  })

  test('four exchanges are left alone, and nobody is asked for a summary', async () => {
    const summarize = () => Promise.reject(new Error('nobody asked'))
    expect(await shorten(six.slice(0, 4).flatMap(exchange), summarize)).toBeNull()
  })

  test('a message without an answer stays, and so do an answer with sub-agents at work and their reports', async () => {
    const busy: Line[] = [message('busy'), answer('busy', 2), report('busy', 0)]
    const waiting = [message('g'), note('g', 'note-g'), message('h')]
    const short = await shortened([...busy, ...six.flatMap(exchange), ...waiting])
    expect(short.slice(1, 4)).toEqual(busy)
    expect(short.slice(-3)).toEqual(waiting)
    expect(first(short).messages).toEqual(['a', 'b'])
  })

  test('when its last sub-agent has reported, an exchange goes with its reports', async () => {
    const done: Line[] = [message('busy'), answer('busy', 2), report('busy', 1), report('busy', 0)]
    const { keys, reports } = first(await shortened([...done, ...six.slice(2).flatMap(exchange)]))
    expect(keys).toEqual(['busy', 'answer-busy', 'report-busy-1', 'report-busy-0'])
    expect(reports).toEqual(['busy/1', 'busy/0'])
  })

  test('a summary of a summary names all that both stand for, and itself', async () => {
    const once = await shortened(six.flatMap(exchange))
    const { key } = first(once)
    const twice = first(await shortened([...once, ...['g', 'h'].flatMap(exchange)]))
    expect(twice.keys).toEqual([key, ...first(once).keys, ...['c', 'd'].flatMap(exchange).map((line) => line.key)])
    expect([twice.messages, twice.answers]).toEqual([six.slice(0, 4), six.slice(0, 4)])
  })

  test('what was there twice is named twice, so that it can be found out', async () => {
    const { keys, answers } = first(await shortened([...exchange('a'), answer('a'), ...six.slice(1).flatMap(exchange)]))
    expect(keys.filter((key) => key === 'answer-a')).toHaveLength(2)
    expect(answers).toEqual(expect.arrayContaining(['a', 'a']))
  })

  test('that a run was resumed stays to be seen', async () => {
    const resumed: Line = { type: 'resumed', key: 'resumed', to: 'a', from: 'pid 1', at: 2, by: 'somebody' }
    const short = await shortened([message('a'), resumed, answer('a'), ...six.slice(1).flatMap(exchange)])
    expect(ofType(short, 'resumed')).toEqual([resumed])
    expect(first(short).keys).not.toContain('resumed')
  })

  test('a compacted transcript comes to the same as the whole one', async () => {
    const lines = [...six.flatMap(exchange), message('busy'), answer('busy', 2), report('busy', 1), message('last')]
    const [whole, short] = [Conversation.of(lines), Conversation.of(await shortened(lines))]
    expect(short.lines).toBeLessThan(whole.lines)
    for (const key of [...six, 'busy', 'last']) expect(short.isAnswered(key)).toBe(whole.isAnswered(key))
    expect([...short.messages]).toEqual([...whole.messages])
    expect([...short.tasks]).toEqual([...whole.tasks])
    expect([short.next, short.waiting, short.answered]).toEqual([whole.next, whole.waiting, whole.answered])
  })
})
