// The ledger of the demonstration finds what is wrong with the files of a gateway, each kind of it, and nothing where
// nothing is wrong. A good folder is made by hand, and one thing in it is broken.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import type { Sent, SessionAccount } from '../../examples/gateway/src/ledger/account.js'
import { acknowledging, type Acknowledged } from '../../examples/gateway/src/ledger/acknowledged.js'
import { Ledger, type Evidence } from '../../examples/gateway/src/ledger/ledger.js'
import { tamper } from '../../examples/gateway/src/ledger/tamper.js'
import type { Files, Store } from '../../examples/gateway/src/files.js'
import type { Answer, Line, Message, Report, Summary } from '../../examples/gateway/src/lines.js'
import { scratch } from '../helpers/scratch.js'

/** When everything began. */
const START = 1_000_000

interface World {
  readonly folder: string
  readonly lines: Record<'a' | 'b', Line[]>
  readonly promised: Acknowledged[]
  readonly sent: Sent[]
  store: { sessions: object; writers: Record<string, number> }
}

const by = '4711 lane=main'
const message = (key: string, at: number): Message => ({
  type: 'message',
  key,
  at: START + at,
  by,
  text: `says ${key}`,
})
const answer = (to: string, at: number, agents = 0): Answer => {
  return { type: 'answer', key: `to-${to}`, at: START + at, by, to, text: 'yes', agents }
}
const report = (to: string, agent: number, at: number): Report => {
  return { type: 'report', key: `by-${to}-${agent}`, at: START + at, by, to, agent, text: 'done' }
}

/** Session a was compacted: of its first exchanges only the summary tells. Session b has what came after it. */
function goodWorld(): World {
  const out: Line[] = [message('a1', 1), answer('a1', 5, 1), report('a1', 0, 6), message('a2', 7), answer('a2', 9)]
  const summary: Summary = {
    ...{ type: 'summary', key: 'summary', at: START + 10, by, text: 'so far' },
    ...{ keys: ['a1', 'to-a1', 'by-a1-0', 'a2', 'to-a2'], messages: ['a1', 'a2'], answers: ['a1', 'a2'] },
    reports: ['a1/0'],
  }
  const a: Line[] = [
    summary,
    message('a3', 11),
    { type: 'note', key: 'note', at: START + 12, by, to: 'a3', text: 'looks' },
    message('a4', 13),
    { type: 'resumed', key: 'resumed', at: START + 14, by, to: 'a3', from: 'pid 1' },
    answer('a3', 15, 2),
    report('a3', 1, 16),
    answer('a4', 17),
    report('a3', 0, 18),
  ]
  const b: Line[] = [
    message('b1', 20),
    answer('b1', 30),
    message('b2', 31),
    message('b3', 32),
    answer('b2', 40),
    answer('b3', 41),
  ]
  const promises = (session: string, lines: Line[]): Acknowledged[] =>
    lines.map(({ key, type, at, ...rest }) => ({ session, key, type, at, ...rest }))
  const all = { a: [...out, ...a], b }
  return {
    folder: scratch(),
    lines: { a, b },
    promised: [
      ...promises('a', all.a),
      ...promises('b', b),
      ...[1, 2, 3].map((count) => ({ writer: 'one', count })),
      { writer: 'two', count: 1 },
    ],
    sent: Object.entries(all).flatMap(([session, lines]) =>
      lines
        .filter(({ type }) => type === 'message')
        .map(({ key, at }) => ({ session, key, at: at - 1, acknowledged: true })),
    ),
    // One more than was promised: its writer was killed before it could say so.
    store: { sessions: {}, writers: { one: 3, two: 2 } },
  }
}

function written(world: World): Evidence {
  for (const [session, lines] of Object.entries(world.lines)) {
    writeFileSync(join(world.folder, `${session}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
  writeFileSync(join(world.folder, 'sessions.json'), JSON.stringify(world.store))
  const log = join(world.folder, 'promised.log')
  writeFileSync(log, world.promised.map((promise) => `${JSON.stringify(promise)}\n`).join(''))
  return { folder: world.folder, logs: [log], sent: world.sent }
}

/** Of a good folder in which one thing is broken. */
function ledgerOf(breaking: (world: World) => void): Ledger {
  const world = goodWorld()
  breaking(world)
  return new Ledger(written(world))
}

function account(ledger: Ledger, session: string): SessionAccount {
  const found = ledger.sessions.find((one) => one.session === session)
  if (found === undefined) throw new Error(`no session ${session}`)
  return found
}

function remove(lines: Line[], key: string): Line {
  const [removed] = lines.splice(
    lines.findIndex((line) => line.key === key),
    1,
  )
  if (removed === undefined) throw new Error(`no line ${key}`)
  return removed
}

function summaryOf(world: World): Summary {
  const [first] = world.lines.a
  if (first?.type !== 'summary') throw new Error('no summary')
  return first
}

function changeSummary(world: World, change: (summary: Summary) => Partial<Summary>): void {
  const summary = summaryOf(world)
  world.lines.a[0] = { ...summary, ...change(summary) }
}

test('where nothing is wrong nothing is found, and summaries stand for what they name', () => {
  const ledger = ledgerOf(() => {})
  expect(ledger.problems).toEqual([])
  expect(ledger.ok).toBe(true)
  expect(ledger.totals).toEqual({
    messages: { sent: 7, answered: 7, lost: 0 },
    lines: { acknowledged: 20, lost: 0, doubled: 0, damaged: 0 },
    updates: { acknowledged: 4, lost: 0 },
    answers: { doubled: 0, disordered: 0 },
  })
  expect(account(ledger, 'a').messages).toEqual({
    ...{ sent: ['a1', 'a2', 'a3', 'a4'], acknowledged: ['a1', 'a2', 'a3', 'a4'], kept: ['a1', 'a2', 'a3', 'a4'] },
    ...{ answered: ['a1', 'a2', 'a3', 'a4'], lost: [], failed: [], gone: [] },
  })
})

test('where nobody has sent anything and nothing is there, nothing is found', () => {
  const folder = scratch()
  expect(new Ledger({ folder, logs: [join(folder, 'none.log')], sent: [] })).toMatchObject({ sessions: [], ok: true })
})

test('one session alone can be looked at, with the store', () => {
  const world = goodWorld()
  remove(world.lines.a, 'note')
  const evidence = written({ ...world, store: { sessions: {}, writers: {} } })
  const a = new Ledger({ ...evidence, session: 'a' })
  expect(a.problems).toEqual([
    'a: acknowledged lines that are lost: 1 (note)',
    'the store: acknowledged updates that are lost: 4 (one, two)',
  ])
  const b = new Ledger({ ...evidence, session: 'b' })
  expect(b.totals).toMatchObject({ messages: { sent: 3, answered: 3 }, lines: { acknowledged: 6, lost: 0 } })
})

test('a transcript that was tampered with is found to lack its last line', () => {
  const world = goodWorld()
  const evidence = written(world)
  tamper(join(world.folder, 'a.jsonl'))
  expect(new Ledger(evidence).problems).toEqual([
    'a: acknowledged lines that are lost: 1 (by-a3-0)',
    'a: reports of sub-agents that are missing: 1 (a3/0)',
  ])
})

test('a transcript of which nobody knows is looked at too', () => {
  const world = goodWorld()
  const evidence = written(world)
  writeFileSync(join(world.folder, 'c.jsonl'), `${JSON.stringify(message('ghost', 50))}\n`)
  expect(new Ledger(evidence).problems).toEqual(['c: lines that nobody can have written: 1 (ghost)'])
})

describe('of messages', () => {
  test('one that was never answered is lost', () => {
    const ledger = ledgerOf((world) => {
      remove(world.lines.b, 'to-b3')
      world.promised.splice(0, Infinity, ...world.promised.filter((one) => !('key' in one) || one.key !== 'to-b3'))
    })
    expect(ledger.problems).toEqual(['b: messages that were never answered: 1 (b3)'])
    expect(ledger.ok).toBe(false)
    expect(ledger.totals.messages).toEqual({ sent: 7, answered: 6, lost: 1 })
  })

  test('one that was sent, and of which nothing is there, is lost', () => {
    const ledger = ledgerOf((world) => world.sent.push({ session: 'c', key: 'c1', at: START, acknowledged: false }))
    expect(ledger.problems).toEqual(['c: messages that were never answered: 1 (c1)'])
    expect(account(ledger, 'c').messages).toMatchObject({ kept: [], lost: ['c1'], gone: [] })
  })

  test('one that was acknowledged to its client, and is not there, is named apart', () => {
    const ledger = ledgerOf((world) => world.sent.push({ session: 'c', key: 'c1', at: START, acknowledged: true }))
    expect(account(ledger, 'c').messages).toMatchObject({ lost: ['c1'], gone: ['c1'] })
    expect(ledger.problems).toEqual([
      'c: messages that were never answered: 1 (c1)',
      'c: messages that were acknowledged and are not in the file: 1 (c1)',
    ])
    expect(ledger.totals.lines).toMatchObject({ acknowledged: 21, lost: 1 })
  })

  test('one that was answered by a failure is lost, also if a compaction took that out', () => {
    const failure = ledgerOf(({ lines }) => lines.b.push({ ...answerIn(remove(lines.b, 'to-b3')), failed: true }))
    expect(failure.problems).toEqual(['b: messages that were answered by a failure: 1 (b3)'])
    expect(failure.totals.messages).toEqual({ sent: 7, answered: 6, lost: 1 })

    const takenOut = ledgerOf(({ promised }) => {
      const at = promised.findIndex((one) => 'key' in one && one.key === 'to-a2')
      promised[at] = { session: 'a', key: 'to-a2', type: 'answer', at: START + 9, to: 'a2', agents: 0, failed: true }
    })
    expect(takenOut.problems).toEqual(['a: messages that were answered by a failure: 1 (a2)'])
  })

  test('one that nobody sent is written by nobody', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push(message('ghost', 50)))
    expect(ledger.problems).toEqual(['b: lines that nobody can have written: 1 (ghost)'])
  })

  test('one that another process promised need not be sent by a client', () => {
    const ledger = ledgerOf(({ lines, promised }) => {
      lines.b.push(message('cron', 50), answer('cron', 51))
      promised.push({ session: 'b', key: 'cron', type: 'message', at: START + 50 })
    })
    expect(ledger.problems).toEqual([])
  })

  test('one that another process promised is to be kept and answered like those of clients', () => {
    const promise = { session: 'b', key: 'cron', type: 'message', at: START + 50 } as const
    const unanswered = ledgerOf(({ lines, promised }) => {
      lines.b.push(message('cron', 50))
      promised.push(promise)
    })
    expect(unanswered.problems).toEqual(['b: messages that were never answered: 1 (cron)'])
    expect(unanswered.totals.messages).toEqual({ sent: 8, answered: 7, lost: 1 })

    const gone = ledgerOf(({ promised }) => promised.push(promise))
    expect(account(gone, 'b').messages).toMatchObject({ lost: ['cron'], gone: ['cron'] })
    const alone = ledgerOf(({ promised }) => promised.push({ ...promise, session: 'c' }))
    expect(account(alone, 'c').messages).toMatchObject({ sent: ['cron'], acknowledged: ['cron'], gone: ['cron'] })
  })

  test('one that a client sent and was not told of is no more than that, though a process promised it', () => {
    const ledger = ledgerOf(({ sent, lines }) => {
      remove(lines.b, 'b3')
      remove(lines.b, 'to-b3')
      const at = sent.findIndex(({ key }) => key === 'b3')
      sent.splice(at, 1, { session: 'b', key: 'b3', at: START + 31, acknowledged: false })
    })
    expect(account(ledger, 'b').messages).toMatchObject({ sent: ['b1', 'b2', 'b3'], lost: ['b3'], gone: [] })
    expect(account(ledger, 'b').lines.lost).toEqual(['b3', 'to-b3'])
  })

  test('one that another process promised twice may stand there once', () => {
    const ledger = ledgerOf(({ lines, promised }) => {
      lines.b.push(message('cron', 50), message('cron', 50), answer('cron', 51))
      for (let time = 0; time < 2; time++) promised.push({ session: 'b', key: 'cron', type: 'message', at: START + 50 })
    })
    expect(ledger.problems).toEqual(['b: lines that stand there more than once: 1 (cron)'])
  })

  test('the first keys are named, and how many there are', () => {
    const ledger = ledgerOf(({ sent }) => {
      for (const key of ['c1', 'c2', 'c3', 'c4', 'c5']) sent.push({ session: 'c', key, at: START, acknowledged: false })
    })
    expect(ledger.problems).toEqual(['c: messages that were never answered: 5 (c1, c2, c3 and 2 more)'])
  })
})

function answerIn(line: Line): Answer {
  if (line.type !== 'answer') throw new Error('no answer')
  return line
}

describe('of answers', () => {
  test('two to one message are found, though each line is there once', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push({ ...answer('b1', 60), key: 'again' }))
    expect(ledger.problems).toEqual(['b: messages that were answered more than once: 1 (b1)'])
    expect(ledger.totals.answers).toEqual({ doubled: 1, disordered: 0 })
  })

  test('a second one is found behind a compaction that took the first one out', () => {
    const ledger = ledgerOf(({ lines }) => lines.a.push({ ...answer('a2', 60), key: 'again' }))
    expect(account(ledger, 'a').answers.doubled).toEqual(['a2'])
  })

  test('two that are swapped are out of order', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push(remove(lines.b, 'to-b2')))
    expect(ledger.problems).toEqual(['b: messages that were answered out of order: 1 (b2)'])
    expect(ledger.totals.answers).toEqual({ doubled: 0, disordered: 1 })
  })

  test('two that are swapped are out of order where only a summary tells of them', () => {
    const ledger = ledgerOf((world) => changeSummary(world, () => ({ answers: ['a2', 'a1'] })))
    expect(ledger.problems).toEqual(['a: messages that were answered out of order: 1 (a1)'])
  })

  test('one before its message is out of order', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.unshift(remove(lines.b, 'to-b1')))
    expect(ledger.problems).toEqual(['b: messages that were answered out of order: 1 (b1)'])
  })

  test('one to a message that is not there is written by nobody', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push(answer('ghost', 60)))
    expect(ledger.problems).toEqual(['b: lines that nobody can have written: 1 (to-ghost)'])
  })
})

test('one to a message that is not there is written by nobody, where only a summary tells of it', () => {
  const ledger = ledgerOf((world) => changeSummary(world, ({ answers }) => ({ answers: [...answers, 'ghost'] })))
  expect(ledger.problems).toEqual(['a: lines that nobody can have written: 1 (ghost)'])
})

describe('of lines', () => {
  test('one that was acknowledged and is removed is lost, whatever it says', () => {
    const ledger = ledgerOf(({ lines }) => remove(lines.a, 'note'))
    expect(ledger.problems).toEqual(['a: acknowledged lines that are lost: 1 (note)'])
    expect(ledger.totals.lines).toEqual({ acknowledged: 20, lost: 1, doubled: 0, damaged: 0 })
  })

  test('one that a summary forgets is lost', () => {
    const ledger = ledgerOf((world) => {
      changeSummary(world, ({ keys }) => ({ keys: keys.filter((key) => key !== 'to-a1') }))
    })
    expect(ledger.problems).toEqual(['a: acknowledged lines that are lost: 1 (to-a1)'])
  })

  test('one that stands there twice is doubled', () => {
    const ledger = ledgerOf(({ lines }) => lines.a.push(...lines.a.filter(({ key }) => key === 'note')))
    expect(ledger.problems).toEqual(['a: lines that stand there more than once: 1 (note)'])
    expect(ledger.totals.lines.doubled).toBe(1)
  })

  test('one that stands behind the summary that names it is doubled', () => {
    const ledger = ledgerOf(({ lines }) => lines.a.splice(1, 0, message('a2', 7)))
    expect(ledger.problems).toEqual(['a: lines that stand there more than once: 1 (a2)'])
  })

  test('one that stands in two sessions is doubled', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push({ ...answer('b1', 60), key: 'note', type: 'note' }))
    expect(ledger.problems).toEqual([
      'a: lines that stand there more than once: 1 (note)',
      'b: lines that stand there more than once: 1 (note)',
    ])
  })

  test('a message may stand there as often as it was sent, and no more', () => {
    const again = (times: number) => (world: World) => {
      for (let count = 0; count < times; count++) world.lines.b.push(message('b1', 50))
      world.sent.push({ session: 'b', key: 'b1', at: START + 50, acknowledged: true })
    }
    expect(ledgerOf(again(1)).problems).toEqual([])
    expect(ledgerOf(again(2)).problems).toEqual(['b: lines that stand there more than once: 1 (b1)'])
  })

  test.each<[what: string, text: string]>([
    ['half a line, and the next one glued to it', '{"type":"note","key":"x","at":1,{"type":"note"}\n'],
    ['an empty line', '\n'],
    ['NULs', '\0\0\0\n'],
    ['JSON that is no line of ours', '{"key":"x","at":1,"by":"me","type":"rumour"}\n'],
    ['a line that lacks something', '{"type":"note","key":"x","at":1,"by":"me","text":"of whom?"}\n'],
    ['a summary with a text for a list', '{"type":"summary","key":"x","at":1,"by":"me","text":"","keys":"abc"}\n'],
    ['a list for a line', '[]\n'],
    ['nothing for a line', 'null\n'],
    ['a line without a time', '{"type":"note","key":"x","by":"me","to":"b1","text":""}\n'],
    ['less than no sub-agents', '{"type":"answer","key":"x","at":1,"by":"me","to":"b1","text":"","agents":-1}\n'],
    ['a mark of byte order', '\ufeff{"type":"note","key":"x","at":1,"by":"me","to":"b1","text":""}\n'],
    ['a whole line without its end', '{"type":"note","key":"x","at":1,"by":"me","to":"b1","text":""}'],
  ])('%s is damage', (_what, text) => {
    const world = goodWorld()
    const evidence = written(world)
    writeFileSync(join(world.folder, 'b.jsonl'), text, { flag: 'a' })
    const ledger = new Ledger(evidence)
    const beginning = JSON.stringify(Buffer.from(text.replace(/\n$/, '')).toString('utf8', 0, 40))
    expect(ledger.problems).toEqual([`b: lines that are damaged: 1 (line 7: ${beginning})`])
    expect(ledger.totals.lines.damaged).toBe(1)
  })

  test('bytes that are no text are damage', () => {
    const world = goodWorld()
    const evidence = written(world)
    const note = '{"type":"note","key":"x","at":1,"by":"me","to":"b1","text":"\xff"}\n'
    writeFileSync(join(world.folder, 'b.jsonl'), Buffer.from(note, 'latin1'), { flag: 'a' })
    expect(account(new Ledger(evidence), 'b').lines.damaged).toHaveLength(1)
  })

  test('a file that is cut has a damaged line, and what came after it is lost', () => {
    const world = goodWorld()
    const evidence = written(world)
    const text = readFileSync(join(world.folder, 'b.jsonl'), 'utf8')
    writeFileSync(join(world.folder, 'b.jsonl'), text.slice(0, text.indexOf('"to-b2"')))
    const ledger = new Ledger(evidence)
    expect(account(ledger, 'b')).toMatchObject({
      messages: { lost: ['b2', 'b3'], kept: ['b1', 'b2', 'b3'], gone: [] },
      lines: { lost: ['to-b2', 'to-b3'], damaged: [expect.stringMatching(/^line 5: /)] },
    })
    expect(ledger.ok).toBe(false)
  })

  test('a transcript that is gone has lost everything', () => {
    const world = goodWorld()
    const evidence = written(world)
    rmSync(join(world.folder, 'b.jsonl'))
    expect(account(new Ledger(evidence), 'b')).toMatchObject({
      messages: { kept: [], gone: ['b1', 'b2', 'b3'] },
      lines: { lost: ['b1', 'to-b1', 'b2', 'b3', 'to-b2', 'to-b3'] },
    })
  })

  test('a file with half a line beside the transcript is told of, and is no loss', () => {
    const world = goodWorld()
    const evidence = written(world)
    writeFileSync(join(world.folder, 'b.jsonl.torn-2026'), '{"type":"not')
    const ledger = new Ledger(evidence)
    expect(account(ledger, 'b').torn).toEqual(['b.jsonl.torn-2026'])
    expect(account(ledger, 'a').torn).toEqual([])
    expect(ledger.ok).toBe(true)
  })
})

describe('of reports', () => {
  const unpromised = (world: World, key: string): void => {
    world.promised.splice(0, Infinity, ...world.promised.filter((one) => !('key' in one) || one.key !== key))
  }

  test('one that an answer asks for and is not there is missing', () => {
    const ledger = ledgerOf((world) => {
      remove(world.lines.a, 'by-a3-0')
      unpromised(world, 'by-a3-0')
    })
    expect(ledger.problems).toEqual(['a: reports of sub-agents that are missing: 1 (a3/0)'])
  })

  test('one is missing where a summary has the answer without it', () => {
    const ledger = ledgerOf((world) => {
      changeSummary(world, ({ keys }) => ({ keys: keys.filter((key) => key !== 'by-a1-0'), reports: [] }))
      unpromised(world, 'by-a1-0')
    })
    expect(ledger.problems).toEqual(['a: reports of sub-agents that are missing: 1 (a1/0)'])
  })

  test('two of one sub-agent are found, though each line is there once', () => {
    const ledger = ledgerOf(({ lines }) => lines.a.push({ ...report('a3', 0, 60), key: 'again' }))
    expect(ledger.problems).toEqual(['a: reports of sub-agents that stand there more than once: 1 (a3/0)'])
  })

  test('one that is a failure is found, also if a compaction took it out, and its message is answered', () => {
    const written = ledgerOf(({ lines }) => {
      lines.a = lines.a.map((line) =>
        line.key === 'by-a3-1' && line.type === 'report' ? { ...line, failed: true } : line,
      )
    })
    expect(written.problems).toEqual(['a: reports of sub-agents that are failures: 1 (a3/1)'])
    expect(written.totals.messages).toEqual({ sent: 7, answered: 7, lost: 0 })

    const takenOut = ledgerOf(({ promised }) => {
      const at = promised.findIndex((one) => 'key' in one && one.key === 'by-a1-0')
      promised[at] = { session: 'a', key: 'by-a1-0', type: 'report', at: START + 6, to: 'a1', agent: 0, failed: true }
    })
    expect(takenOut.problems).toEqual(['a: reports of sub-agents that are failures: 1 (a1/0)'])
    expect(takenOut.totals.messages).toEqual({ sent: 7, answered: 7, lost: 0 })
  })

  test('one of a sub-agent that nobody asked for is written by nobody', () => {
    const ledger = ledgerOf(({ lines }) => lines.a.push(report('a4', 0, 60)))
    expect(ledger.problems).toEqual(['a: lines that nobody can have written: 1 (by-a4-0)'])
  })

  test('one without the answer that asked for it is written by nobody', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.push(message('b1', 60), report('b4', 0, 61)))
    expect(account(ledger, 'b').lines.unknown).toEqual(['by-b4-0'])
    const unanswered = ledgerOf(({ lines, sent }) => {
      sent.push({ session: 'b', key: 'b4', at: START + 60, acknowledged: true })
      lines.b.push(message('b4', 60), report('b4', 0, 61))
    })
    expect(account(unanswered, 'b').lines.unknown).toEqual(['by-b4-0'])
  })

  test('one about a message that is not there is written by nobody, where only a summary tells of it', () => {
    const ledger = ledgerOf((world) => changeSummary(world, ({ reports }) => ({ reports: [...reports, 'ghost/0'] })))
    expect(ledger.problems).toEqual(['a: lines that nobody can have written: 1 (ghost/0)'])
  })

  test('one of an answer that a compaction took out is known by the summary', () => {
    // Its writer was killed before it could note the answer.
    const ledger = ledgerOf((world) => unpromised(world, 'to-a1'))
    expect(ledger.problems).toEqual([])
  })
})

describe('of the store', () => {
  test('an update that was acknowledged and is not counted there is lost', () => {
    const ledger = ledgerOf(({ store }) => void (store.writers.one = 1))
    expect(ledger.problems).toEqual(['the store: acknowledged updates that are lost: 2 (one)'])
    expect(ledger.totals.updates).toEqual({ acknowledged: 4, lost: 2 })
    expect(ledger.ok).toBe(false)
  })

  test('all updates of a writer that is not named there are lost', () => {
    const ledger = ledgerOf(({ store }) => void (store.writers = { two: 2 }))
    expect(ledger.store).toMatchObject({ lost: 3, losers: ['one'], unreadable: null })
  })

  test.each<[what: string, text: string]>([
    ['half a file', '{"sessions":{},"writers":{"one'],
    ['an empty file', ''],
    ['another document', '{"sessions":{}}'],
    ['a text', '"writers"'],
  ])('%s cannot be read, and all updates are lost', (_what, text) => {
    const world = goodWorld()
    const evidence = written(world)
    writeFileSync(join(world.folder, 'sessions.json'), text)
    const ledger = new Ledger(evidence)
    expect(ledger.problems).toEqual([expect.stringMatching(/^the store cannot be read: /)])
    expect(ledger.totals.updates).toEqual({ acknowledged: 4, lost: 4 })
  })

  test('a file that is not there has lost what was acknowledged', () => {
    const world = goodWorld()
    const evidence = written(world)
    rmSync(join(world.folder, 'sessions.json'))
    expect(new Ledger(evidence).store).toEqual({
      ...{ unreadable: expect.stringContaining('ENOENT') as string, acknowledged: 4, lost: 4, losers: ['one', 'two'] },
    })
  })

  test('a file that cannot be read is a problem, though nothing was acknowledged', () => {
    const folder = scratch()
    writeFileSync(join(folder, 'sessions.json'), '')
    const ledger = new Ledger({ folder, logs: [], sent: [] })
    expect(ledger.problems).toEqual([expect.stringMatching(/^the store cannot be read: /)])
  })

  test('the most that was acknowledged counts, in whatever order that was noted', () => {
    const ledger = ledgerOf(({ promised, store }) => {
      promised.push({ writer: 'one', count: 2 })
      store.writers.one = 2
    })
    expect(ledger.totals.updates).toEqual({ acknowledged: 4, lost: 1 })
  })
})

describe('the time until a session answers again', () => {
  test('is that to the first answer to a message that was sent since', () => {
    const ledger = ledgerOf(() => {})
    // b2 was sent at 30 and answered at 40; b1 was sent before, and answered in between.
    expect(ledger.recoveredAfter('b', START + 25)).toBe(15)
    expect(ledger.recoveredAfter('b', START + 30)).toBe(10)
    expect(ledger.recoveredAfter('b', START)).toBe(30)
  })

  test('is known by the log where a compaction took the answer out', () => {
    expect(ledgerOf(() => {}).recoveredAfter('a', START)).toBe(5)
  })

  test('is known by the file where the process was killed before it could note the answer', () => {
    const ledger = ledgerOf(({ promised }) => promised.splice(0))
    expect(ledger.recoveredAfter('b', START + 25)).toBe(15)
  })

  test('is not that to an answer that was promised and is not there', () => {
    expect(ledgerOf(({ lines }) => remove(lines.b, 'to-b2')).recoveredAfter('b', START + 25)).toBe(16)
  })

  test('is none where no such message was answered', () => {
    const ledger = ledgerOf(() => {})
    expect(ledger.recoveredAfter('b', START + 32)).toBeNull()
    expect(ledger.recoveredAfter('c', START)).toBeNull()
  })

  test('does not end with a failure', () => {
    const ledger = ledgerOf(({ lines }) => lines.b.splice(4, 1, { ...answer('b2', 40), failed: true }))
    expect(ledger.recoveredAfter('b', START + 25)).toBe(16)
  })

  test('is that of the first time, of a message that was sent twice', () => {
    const ledger = ledgerOf(({ sent }) => sent.push({ session: 'b', key: 'b1', at: START + 28, acknowledged: true }))
    expect(ledger.recoveredAfter('b', START + 28)).toBe(12)
  })
})

describe('the log of what was promised', () => {
  /** Files that do nothing but what the test says. */
  const files = (
    append: () => Promise<void>,
    update = () => Promise.resolve(),
    store: Store = { sessions: {}, writers: {} },
  ): Files => ({
    sessions: () => Promise.resolve([]),
    open: () =>
      Promise.resolve({
        append,
        read: () => Promise.resolve([]),
        follow: () => ({
          [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: null }) }),
        }),
        turn: () => Promise.resolve({ recoveredFrom: null, append, end: () => {} }),
        cutOff: () => null,
        compact: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
    update: async (change) => {
      change(store)
      await update()
    },
    browser: () => Promise.resolve(() => {}),
    close: () => Promise.resolve(),
  })
  const read = (log: string): unknown[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown)

  test('has a line as soon as its append has resolved, and not before', async () => {
    const log = join(scratch(), 'log')
    let resolve: () => void = () => {}
    const session = await acknowledging(
      files(() => new Promise((written) => (resolve = written))),
      log,
    ).open('a')
    const appended = session.append(message('a1', 1))
    await Promise.resolve()
    expect(() => readFileSync(log)).toThrow('ENOENT')
    resolve()
    await appended
    expect(read(log)).toEqual([{ session: 'a', key: 'a1', type: 'message', at: START + 1 }])
  })

  test('has nothing of an append or an update that failed', async () => {
    const log = join(scratch(), 'log')
    const failing = () => Promise.reject(new Error('no'))
    const program = acknowledging(files(failing, failing), log)
    const session = await program.open('a')
    await expect(session.append(message('a1', 1))).rejects.toThrow('no')
    await expect(program.update(() => {})).rejects.toThrow('no')
    expect(() => readFileSync(log)).toThrow('ENOENT')
  })

  test('has the lines of turns, with what the ledger must know of them', async () => {
    const log = join(scratch(), 'log')
    const session = await acknowledging(
      files(() => Promise.resolve()),
      log,
    ).open('a')
    const turn = await session.turn('main', undefined as never)
    await turn.append({ ...answer('a1', 1, 2), failed: true })
    await turn.append(report('a1', 1, 2))
    await turn.append({ ...report('a1', 0, 3), failed: true })
    expect(read(log)).toEqual([
      { session: 'a', key: 'to-a1', type: 'answer', at: START + 1, to: 'a1', agents: 2, failed: true },
      { session: 'a', key: 'by-a1-1', type: 'report', at: START + 2, to: 'a1', agent: 1 },
      { session: 'a', key: 'by-a1-0', type: 'report', at: START + 3, to: 'a1', agent: 0, failed: true },
    ])
  })

  test('counts updates as the store does, for each process under a name of its own', async () => {
    const log = join(scratch(), 'log')
    const write = () => Promise.resolve()
    const store: Store = { sessions: {}, writers: {} }
    const [one, two] = [acknowledging(files(write, write, store), log), acknowledging(files(write, write, store), log)]
    await one.update(({ sessions }) => void (sessions.a = { answered: 7 }))
    await two.update(() => {})
    await one.update(() => {})
    expect(store.sessions).toEqual({ a: { answered: 7 } })
    const promised = read(log) as { writer: string; count: number }[]
    expect(promised.map(({ count }) => count)).toEqual([1, 1, 2])
    expect(promised[1]?.writer).not.toBe(promised[0]?.writer)
    expect(store.writers).toEqual({ [promised[0]?.writer ?? '']: 2, [promised[1]?.writer ?? '']: 1 })
  })

  test('promises nothing where a process was killed in the middle of a line, and the next one goes on behind it', async () => {
    const world = goodWorld()
    const evidence = written(world)
    const log = evidence.logs[0] ?? ''
    writeFileSync(log, '{"session":"b","key":"half', { flag: 'a' })
    const session = await acknowledging(
      files(() => Promise.resolve()),
      log,
    ).open('b')
    expect(new Ledger(evidence).problems).toEqual([])
    await session.append(message('b9', 90))
    expect(account(new Ledger(evidence), 'b').lines.lost).toEqual(['b9'])
  })
})
