// What the demonstration found is shown whole: in a table that fits a terminal, in one for a page, as JSON.
import { describe, expect, test } from 'vitest'

import { Progress } from '../../examples/gateway/src/demo/progress.js'
import {
  asJson,
  markdownTable,
  passed,
  table,
  wantsColours,
  withBlock,
  type IncidentResult,
  type WholeRun,
} from '../../examples/gateway/src/demo/report.js'

const OURS: IncidentResult = {
  incident: 'I-1',
  title: 'a run is killed while it holds',
  way: 'holdfast',
  happened: 'all 20 messages answered, in order, 1 cut off and resumed',
  recovered: 12,
  patience: 4000,
  lane: 2000,
  messages: { sent: 20, answered: 20, lost: 0 },
  lines: { acknowledged: 60, lost: 0, doubled: 0, damaged: 0 },
  updates: { acknowledged: 20, lost: 0 },
  answers: { doubled: 0, disordered: 0 },
  ok: true,
  problems: [],
}

const THEIRS: IncidentResult = {
  ...OURS,
  way: 'lock file',
  happened: '17 messages not answered',
  recovered: null,
  messages: { sent: 20, answered: 3, lost: 17 },
  ok: false,
  factor: 10,
  problems: ['a: messages that were never answered: 17 (1, 2, 3 and 14 more)'],
}

const WHOLE: WholeRun = {
  messages: { sent: 90, answered: 90, lost: 0 },
  lines: { acknowledged: 300, lost: 0, doubled: 0, damaged: 0 },
  updates: { acknowledged: 85, lost: 0 },
  answers: { doubled: 0, disordered: 0 },
  ok: true,
  problems: [],
}
const NOT_WELL: WholeRun = { ...WHOLE, ok: false, problems: ['the store cannot be read: \x07'] }

const plain = (results: readonly IncidentResult[], whole = WHOLE): string => table(results, whole, { colours: false })

describe('the table', () => {
  test('has both ways of an incident under each other, beside its title', () => {
    const text = plain([OURS, THEIRS])
    expect(`\n${text}`).toMatchInlineSnapshot(`
      "
                                                                             recovered    messages   lines     lines
      incident              way        what happened to the session              after        lost    lost   doubled
      --------------------  ---------  ----------------------------------  -----------  ----------  ------  --------
      I-1 a run is killed   holdfast   all 20 messages answered, in              12 ms     0 of 20       0         0
      while it holds                   order, 1 cut off and resumed
                            lock file  17 messages not answered                > 4.0 s    17 of 20       0         0
      --------------------  ---------  ----------------------------------  -----------  ----------  ------  --------
      ">" is: not while the demonstration waited.
      Waits and ages of lock files are those of the reports divided by 10 (I-1): there, everything took so many
      times as long.
      Lost is a message without an answer: refused with an error, or taken and never answered. On lock files a run
      holds the lock of its session's files, as in the reports; on holdfast it holds a turn, and the files for each
      write.

      holdfast, all sessions from beginning to end: 90 of 90 messages answered, 300 lines acknowledged and 0 of them
      lost, 85 updates of the store and 0 of them lost.
      With holdfast nothing was lost, doubled, disordered or damaged.
      "
    `)
  })

  test('has a block for each incident, in their order, also of ways that come apart', () => {
    const second = (result: IncidentResult): IncidentResult => ({ ...result, incident: 'I-2', title: 'another one' })
    const text = plain([OURS, second(OURS), THEIRS, second(THEIRS)])
    const rows = text.split('\n').filter((line) => line.includes(' of 20'))
    expect(rows.map((line) => /holdfast|lock file/.exec(line)?.[0])).toEqual([
      ...['holdfast', 'lock file', 'holdfast', 'lock file'],
    ])
    expect(text.indexOf('I-1')).toBeLessThan(text.indexOf('I-2'))
  })

  test('is at most 110 columns wide, whatever is in it, and loses no word', () => {
    const long = `${'#'.repeat(80)} and ${'some more words '.repeat(12)}end`
    const text = plain([
      { ...OURS, title: long, happened: long },
      { ...THEIRS, factor: 60 },
    ])
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(110)
    expect(text.match(/#/g)).toHaveLength(160)
    const words = text.split(/\s+/)
    expect(words.filter((word) => word === 'more').length).toBe(24)
    expect(words.filter((word) => word === 'end').length).toBe(2)
  })

  test('tells in words what has no column: damage, lost updates, answers twice or out of order', () => {
    const text = plain([
      {
        ...THEIRS,
        happened: 'some',
        lines: { ...THEIRS.lines, lost: 4, doubled: 5, damaged: 1 },
        updates: { acknowledged: 20, lost: 2 },
        answers: { doubled: 1, disordered: 3 },
      },
    ])
    const words = text.replace(/\s+/g, ' ')
    expect(words).toContain('some; 1 message answered twice; 3 > 4.0 s 17 of 20 4 5')
    expect(words).toContain('answers out of order; 1 line damaged; 2 updates of the store lost')
  })

  test('says by what the times of lock files were divided, and of which incidents', () => {
    const text = plain([THEIRS, { ...THEIRS, incident: 'I-2' }, { ...THEIRS, incident: 'I-3', factor: 60 }])
    expect(text.replace(/\s+/g, ' ')).toContain('divided by 10 (I-1, I-2) and by 60 (I-3): there')
    expect(plain([OURS, { ...THEIRS, factor: 1 }])).not.toContain('divided')
  })

  test('has no character that a terminal obeys or counts otherwise, whatever is in it', () => {
    const nasty = 'a\x1b[31mb\u202ec\nd\u0007e\u{1F600}f'
    const failed = { ...OURS, ok: false, title: nasty, happened: nasty, problems: [nasty] }
    expect(plain([failed])).toMatch(/^[\n -~]*$/)
    expect(plain([failed])).toContain('a?[31mb?c d?e?f')
  })

  test('has the same text in colours', () => {
    const coloured = table([OURS, THEIRS], WHOLE, { colours: true })
    // eslint-disable-next-line no-control-regex
    expect(coloured.replace(/\x1b\[\d+m/g, '')).toBe(plain([OURS, THEIRS]))
    expect(coloured).toContain('\x1b[32mholdfast\x1b[39m')
    expect(coloured).toContain('\x1b[31mlock file\x1b[39m')
    expect(coloured).toContain('\x1b[31m17 of 20\x1b[39m')
    expect(coloured).not.toContain('\x1b[31m0')
  })

  test('is coloured on a terminal, unless NO_COLOR is something', () => {
    expect(wantsColours({ isTTY: true }, {})).toBe(true)
    expect(wantsColours({ isTTY: true }, { NO_COLOR: '' })).toBe(true)
    expect(wantsColours({ isTTY: true }, { NO_COLOR: '1' })).toBe(false)
    expect(wantsColours({}, {})).toBe(false)
  })

  test('names what is wrong with holdfast', () => {
    expect(plain([OURS, THEIRS])).toContain('With holdfast nothing was lost')
    const text = plain([{ ...OURS, ok: false, problems: ['a: acknowledged lines that are lost: 1 (x)'] }, THEIRS])
    expect(text).toContain('NOT everything is well:\n  I-1 a: acknowledged lines that are lost: 1 (x)\n')
    expect(text).not.toContain('14 more')
    expect(plain([OURS], NOT_WELL)).toContain('NOT everything is well:\n  in all the store cannot be read: ?\n')
    expect(plain([THEIRS])).toContain('NOT everything is well:\n  it was not tried\n')
    expect(plain([{ ...OURS, recovered: null }])).toContain('I-1 the session did not answer again within 4.0 s')
  })
})

test('passed is what holdfast passed, in each incident and from beginning to end, whatever became of lock files', () => {
  expect(passed([OURS, THEIRS], WHOLE)).toBe(true)
  expect(passed([OURS, { ...OURS, ok: false }], WHOLE)).toBe(false)
  expect(passed([{ ...OURS, recovered: null }], WHOLE)).toBe(false)
  expect(passed([OURS, THEIRS], NOT_WELL)).toBe(false)
  expect(passed([THEIRS], WHOLE)).toBe(false)
  expect(passed([], WHOLE)).toBe(false)
})

test('the JSON has everything, and whether it passed', () => {
  expect(JSON.parse(asJson([OURS, THEIRS], WHOLE))).toEqual({
    ...{ version: 1, ok: true, incidents: [OURS, THEIRS], whole: WHOLE },
  })
  expect(JSON.parse(asJson([{ ...OURS, ok: false }], WHOLE))).toMatchObject({ ok: false })
})

describe('the table of a page', () => {
  test('has the same cells', () => {
    expect(markdownTable([OURS, THEIRS])).toMatchInlineSnapshot(`
      "| incident | way | what happened to the session | recovered after | messages lost | lines lost | lines doubled |
      | --- | --- | --- | ---: | ---: | ---: | ---: |
      | **I-1** a run is killed while it holds | holdfast | all 20 messages answered, in order, 1 cut off and resumed | 12 ms | 0 of 20 | 0 | 0 |
      |  | lock file | 17 messages not answered | > 4.0 s | 17 of 20 | 0 | 0 |

      ">" is: not while the demonstration waited. Waits and ages of lock files are those of the reports divided by 10 (I-1): there, everything took so many times as long. Lost is a message without an answer: refused with an error, or taken and never answered. On lock files a run holds the lock of its session's files, as in the reports; on holdfast it holds a turn, and the files for each write.
      "
    `)
  })

  test('has no cell that ends early, and nothing that the page would take for its own', () => {
    const text = markdownTable([{ ...OURS, happened: 'a | b\nc <script> *d* `e` [f](g) \\|' }])
    expect(text).toContain('a \\| b c &lt;script> \\*d\\* \\`e\\` \\[f\\](g) \\\\\\|')
    expect(text.split('\n').filter((line) => line.startsWith('|'))).toHaveLength(3)
  })

  test('takes the place of the one before, between the marks of the page', () => {
    const page = 'head\n\n<!-- demo -->\n\nold\n\n<!-- /demo -->\n\ntail\n'
    const once = withBlock(page, '| new |\n')
    expect(once).toBe('head\n\n<!-- demo -->\n\n| new |\n\n<!-- /demo -->\n\ntail\n')
    expect(withBlock(once, '| new |\n')).toBe(once)
    expect(withBlock('<!-- demo --><!-- /demo -->', '$& $1')).toBe('<!-- demo -->\n\n$& $1\n\n<!-- /demo -->')
  })

  test.each(['', '<!-- demo -->', '<!-- /demo --><!-- demo -->', '<!-- demo --><!-- /demo --><!-- demo -->'])(
    'is not put into a page without those marks: "%s"',
    (page) => {
      expect(() => withBlock(page, 'new')).toThrow('the page must have')
    },
  )
})

describe('the progress', () => {
  function shown(stream: { isTTY?: boolean; columns?: number }, texts: string[]): string[] {
    const written: string[] = []
    const progress = new Progress({ ...stream, write: (text) => written.push(text) })
    for (const text of texts) progress.tell(text)
    progress.end()
    return written
  }

  test('writes over its line on a terminal, and leaves it empty', () => {
    expect(shown({ isTTY: true, columns: 8 }, ['one', 'one', 'longer than that'])).toEqual([
      ...['\r\x1b[Kone', '\r\x1b[Klonger ', '\r\x1b[K'],
    ])
  })

  test('writes lines elsewhere, each once', () => {
    expect(shown({}, ['one', 'one', 'two'])).toEqual(['one\n', 'two\n'])
  })

  test('writes nothing where nothing was told', () => {
    expect(shown({ isTTY: true }, [])).toEqual([])
  })
})
