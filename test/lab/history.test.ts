// The lab's histories: a short one of the real thing, the checker on histories written by hand, of which each has one thing
// wrong, and a bug that is planted and must be found by the checker and by the witness, each alone.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { check } from '../../lab/history/check.js'
import { EventLog, GRANT, KIND, NO_FILE, type Details, type Kind } from '../../lab/history/events.js'
import { figuresOf } from '../../lab/history/figures.js'
import { DRIVER_LOG, ERRORS, logName, logsOf, savePlan, type Plan } from '../../lab/history/plan.js'
import { readHistory } from '../../lab/history/reading.js'
import { Witness, witnessName } from '../../lab/history/witness.js'
import { missing, posix, type Capability } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const RUN = fileURLToPath(new URL('../../lab/dist/history/run.js', import.meta.url))
const CHECK = fileURLToPath(new URL('../../lab/dist/history/check.js', import.meta.url))
const compiled: Capability = { name: 'the compiled lab (npm run compile:lab)', there: existsSync(RUN) }

const EXCLUSION = 'no exclusive hold overlaps another one of its file'
const FENCES = 'fences are unique and grow'
const GUARDS = 'no guard of an ended hold is entered'
const ENDINGS = 'every hold, thread and process has an end'
const RECOVERY = 'the next holder is told of a death, and of nothing else'
const WAKE_UPS = 'no wake-up is lost'
const COUNTERS = 'no count is lost'
const SURPRISES = 'nothing happened that may not happen'

const at = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6))

type Told = Omit<Details, 'time' | 'time2'> & { time2?: number }

/** A thread of a history that is written by hand. Times are in milliseconds. */
class Author {
  readonly log: EventLog
  private fences = 0

  constructor(folder: string, process: number, thread = 0) {
    this.log = new EventLog(openSync(join(logsOf(folder), logName(process, thread)), 'ax'))
    this.tell(0, KIND.hello, { a: 1000 + process, extra: thread })
  }

  tell(time: number, kind: Kind, { time2 = 0, ...details }: Told = {}): void {
    this.log.write(kind, { ...details, time: at(time), time2: at(time2) })
  }

  /** It runs, though nothing happens. */
  beats(from: number, to: number): void {
    for (let time = from; time < to; time += 25) this.tell(time, KIND.beat)
  }

  ask(time: number, id: number, details: Told = {}): void {
    this.tell(time, KIND.ask, { id, file: 0, ...details })
  }

  grant(time: number, id: number, details: Told = {}): void {
    const fence = details.mode === 'shared' ? -1 : time * 1000 + this.fences++
    const code = GRANT.held | GRANT.recorded
    this.tell(time, KIND.grant, { id, file: 0, code, a: fence, b: -1, time2: time - 0.1, extra: id, ...details })
  }

  take(time: number, id: number, details: Told = {}): void {
    const { mode, owner } = details
    this.ask(time - 0.1, id, { ...(mode && { mode }), ...(owner && { owner }) })
    this.grant(time, id, details)
  }

  end(time: number, id: number): void {
    this.tell(time, KIND.end, { id, file: 0 })
    this.tell(time + 0.01, KIND.ended, { id, file: 0, code: 'released' })
  }

  finish(time: number): void {
    this.tell(time, KIND.finished)
  }
}

class Story {
  readonly folder = scratch()
  readonly driver: EventLog

  constructor() {
    mkdirSync(logsOf(this.folder))
    const file = { path: 'data', lockfile: 'data.hold', link: 'link' }
    const plan: Plan = {
      seed: 1,
      folder: this.folder,
      base: '0',
      // The second one is replaced.
      files: [
        { ...file, hardLink: 'hard', inode: 1 },
        { ...file, hardLink: null, inode: null },
      ],
      processes: 2,
      threads: 0,
      lanes: 1,
      pace: {
        kills: 0,
        stops: 0,
        replacements: 0,
        terminations: 0,
        suicides: 0,
        exits: 0,
        blocks: 0,
        longestBlock: 0,
        children: 0,
      },
      planted: 'none',
    }
    savePlan(plan)
    this.driver = new EventLog(openSync(join(logsOf(this.folder), DRIVER_LOG), 'ax'))
  }

  author(process: number, thread?: number): Author {
    return new Author(this.folder, process, thread)
  }

  drive(time: number, kind: Kind, process: number, details: Details = {}): void {
    this.driver.write(kind, { id: process, time: at(time), ...details })
  }

  exited(time: number, process: number, code = 0): void {
    this.drive(time, KIND.exited, process, { a: code })
  }

  /** The titles of the checks that found something. */
  found(): string[] {
    return this.judgement().flatMap(({ title, count }) => (count > 0 ? [title] : []))
  }

  judgement(): { title: string; count: number; told: string[] }[] {
    return [...check(readHistory(this.folder)).checks]
  }

  /** Two processes that finish. */
  static ofTwo(tell: (one: Author, two: Author, story: Story) => void, end = 90): string[] {
    const story = new Story()
    const [one, two] = [story.author(1), story.author(2)]
    tell(one, two, story)
    for (const [index, author] of [one, two].entries()) {
      author.finish(end)
      story.exited(end + 1, index + 1)
    }
    return story.found()
  }
}

/** Process 1 is killed at 20 ms, in its hold 1 that began at 10; process 2 may go on. */
function killed(tell: (two: Author, story: Story, one: Author) => void): Story {
  const story = new Story()
  const [one, two] = [story.author(1), story.author(2)]
  one.take(10, 1, { a: 500 })
  story.drive(20, KIND.kill, 1)
  story.exited(21, 1, -1)
  tell(two, story, one)
  two.finish(90)
  story.exited(91, 2)
  return story
}

describe('the checker passes', () => {
  test('holds that come one after the other, and shared ones together', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1)
      one.end(20, 1)
      two.take(20.5, 1)
      two.end(30, 1)
      one.take(40, 2, { mode: 'shared' })
      two.take(41, 2, { mode: 'shared' })
      one.end(50, 2)
      two.end(51, 2)
    })
    expect(found).toEqual([])
  })

  test('holds of one owner inside each other', () => {
    const found = Story.ofTwo((one) => {
      one.take(10, 1, { owner: 7, a: 100 })
      one.take(11, 2, { owner: 7, a: 101 })
      one.end(12, 1)
      one.end(13, 2)
    })
    expect(found).toEqual([])
  })

  test('a holder who is told of one that was released as its limit passed', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { b: 5 })
      one.tell(14, KIND.end, { id: 1, file: 0 })
      one.tell(18, KIND.ended, { id: 1, file: 0, code: 'released' })
      two.take(16, 1)
      two.tell(16.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(19, 1)
    })
    expect(found).toEqual([])
  })

  test('a grant right after the kill of a holder, who is told of it; and measures the time between', () => {
    const story = killed((two) => {
      two.ask(15, 1)
      two.grant(20.5, 1, { time2: 15, a: 600 })
      two.tell(20.6, KIND.recovered, { id: 1, file: 0, a: 1001, b: 516 })
      two.end(30, 1)
    })
    expect(story.found()).toEqual([])
    const figures = figuresOf(readHistory(story.folder))
    expect(figures).toMatchObject({ acquisitions: 2, kills: 1, killsOfHolders: 1, grantsAfterKill: [0.5] })
  })

  test('a hold whose deadline may have passed, and another one then', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { b: 5 })
      two.take(15, 1)
      two.tell(15.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(16, 1)
      one.tell(17, KIND.end, { id: 1, file: 0 })
      one.tell(17.1, KIND.ended, { id: 1, file: 0, code: 'max-hold' })
    })
    expect(found).toEqual([])
  })

  test('a re-entry of which the thread learned after releaseAll() had ended both', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { owner: 5 })
      one.ask(11, 2, { owner: 5 })
      one.tell(12, KIND.allEnd)
      one.tell(12.5, KIND.allEnded)
      one.grant(13, 2, { owner: 5, code: GRANT.recorded, time2: 11 })
      one.tell(13.1, KIND.ended, { id: 2, file: 0, code: 'released-all' })
      one.tell(13.2, KIND.ended, { id: 1, file: 0, code: 'released-all' })
      two.take(20, 1)
      two.tell(20.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(21, 1)
    })
    expect(found).toEqual([])
  })

  test('holds of two lock files that had the same name', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { file: 1 })
      one.tell(10.1, KIND.inode, { id: 1, file: 1, a: 5, time2: 1 })
      two.take(11, 1, { file: 1 })
      two.tell(11.1, KIND.inode, { id: 1, file: 1, a: 6, time2: 2 })
      two.end(12, 1)
      one.end(13, 1)
    })
    expect(found).toEqual([])
  })
})

describe('the checker finds', () => {
  test('a death of which only an acquireAll() was told that let go again', () => {
    const story = killed((two) => {
      two.tell(12, KIND.askAll, { id: 1, a: 0b11 })
      two.tell(25, KIND.refused, { id: 1, code: 'timeout', extra: 1 })
      two.take(30, 2, { a: 600 })
      two.end(31, 2)
    })
    expect(story.found()).toHaveLength(1)
  })

  test('two exclusive holds at once', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1)
      two.take(15, 1)
      one.end(20, 1)
      two.end(30, 1)
    })
    expect(found).toEqual([EXCLUSION])
  })

  test('a shared hold inside an exclusive one', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1)
      two.take(15, 1, { mode: 'shared' })
      two.end(16, 1)
      one.end(20, 1)
    })
    expect(found).toEqual([EXCLUSION])
  })

  test('a hold of another thread with an owner of the same number', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { owner: 7 })
      two.take(15, 1, { owner: 7 })
      one.end(20, 1)
      two.end(30, 1)
    })
    expect(found).toEqual([EXCLUSION])
  })

  test('a hold past its deadline that was still held then, and another one', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { b: 5 })
      one.tell(18, KIND.check, { id: 1, file: 0 })
      two.take(16, 1)
      two.end(17, 1)
      one.end(19, 1)
    })
    expect(found).toEqual([EXCLUSION])
  })

  test('a hold inside a guard, although the hold of that had ended', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { b: 5 })
      one.tell(11, KIND.guardIn, { id: 1, file: 0, a: 1, time2: 10.5 })
      two.take(30, 1)
      two.tell(30.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(31, 1)
      one.tell(40, KIND.guardOut, { id: 1, file: 0, a: 1 })
      one.tell(41, KIND.end, { id: 1, file: 0 })
      one.tell(42, KIND.ended, { id: 1, file: 0, code: 'max-hold' })
    })
    expect(found).toEqual([EXCLUSION])
  })

  test('a grant before the kill of the holder', () => {
    const story = killed((two) => {
      two.take(19, 1, { a: 600 })
      two.tell(19.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(30, 1)
    })
    expect(story.found()).toEqual([EXCLUSION])
  })

  test('two holds of one lock file that is replaced', () => {
    const found = Story.ofTwo((one, two) => {
      for (const [index, author] of [one, two].entries()) {
        author.take(10 + index, 1, { file: 1, a: 100 + index })
        author.tell(10.1 + index, KIND.inode, { id: 1, file: 1, a: 5, time2: 1 })
        author.end(20 + index, 1)
      }
    })
    expect(found).toEqual([EXCLUSION])
  })

  test.each([
    ['twice', 100, 100],
    ['in the wrong order', 101, 100],
    ['missing', 100, -1],
  ])('a fence that comes %s', (_how, first, second) => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { a: first })
      one.end(20, 1)
      two.take(30, 1, { a: second })
      two.end(40, 1)
    })
    expect(found).toEqual([FENCES])
  })

  test('a guard that is entered after the release', () => {
    const found = Story.ofTwo((one) => {
      one.take(10, 1)
      one.end(20, 1)
      one.tell(22, KIND.guardIn, { id: 1, file: 0, a: 1, time2: 21 })
      one.tell(23, KIND.guardOut, { id: 1, file: 0, a: 1 })
    })
    expect(found).toEqual([GUARDS])
  })

  test('a guard that is entered after the deadline', () => {
    const found = Story.ofTwo((one) => {
      one.take(10, 1, { b: 5 })
      one.tell(17, KIND.guardIn, { id: 1, file: 0, a: 1, time2: 16 })
      one.tell(18, KIND.guardOut, { id: 1, file: 0, a: 1 })
      one.tell(19, KIND.end, { id: 1, file: 0 })
      one.tell(20, KIND.ended, { id: 1, file: 0, code: 'max-hold' })
    })
    expect(found).toEqual([GUARDS])
  })

  test('a guard that is entered after the end of the owner', () => {
    const found = Story.ofTwo((one) => {
      one.take(10, 1, { owner: 3 })
      one.tell(11, KIND.ownerEnds, { owner: 3 })
      one.tell(12, KIND.ownerEnded, { owner: 3 })
      one.tell(14, KIND.guardIn, { id: 1, file: 0, a: 1, time2: 13 })
      one.tell(15, KIND.guardOut, { id: 1, file: 0, a: 1 })
    })
    expect(found).toEqual([GUARDS])
  })

  test('a hold without an end', () => {
    expect(Story.ofTwo((one) => one.take(10, 1))).toEqual([ENDINGS])
  })

  test('a log that breaks off, and a process that ends by itself', () => {
    const story = new Story()
    story.author(1).take(10, 1)
    story.exited(20, 1, -1)
    expect(story.judgement().find(({ title }) => title === ENDINGS)?.count).toBe(3)
  })

  test('a death of which the next holder is not told', () => {
    const story = killed((two) => {
      two.take(30, 1, { a: 600 })
      two.end(31, 1)
    })
    expect(story.found()).toEqual([RECOVERY])
  })

  test('a revocation of which the next holder is not told', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1, { owner: 3 })
      one.tell(11, KIND.ownerEnds, { owner: 3 })
      one.tell(12, KIND.ownerEnded, { owner: 3 })
      one.tell(13, KIND.ended, { id: 1, file: 0, code: 'owner-closed' })
      two.take(20, 1)
      two.end(21, 1)
    })
    expect(found).toEqual([RECOVERY])
  })

  test('a holder who is told of one that was released', () => {
    const found = Story.ofTwo((one, two) => {
      one.take(10, 1)
      one.end(20, 1)
      two.take(30, 1)
      two.tell(30.1, KIND.recovered, { id: 1, file: 0, a: 1001 })
      two.end(31, 1)
    })
    expect(found).toEqual([RECOVERY])
  })

  test('an unexpected error', () => {
    const found = Story.ofTwo((_one, _two, { folder }) => writeFileSync(join(folder, ERRORS), 'TypeError: no\n'))
    expect(found).toEqual([SURPRISES])
  })
})

describe('a lost wake-up', () => {
  const granted = (two: Author): void => {
    two.ask(15, 1)
    two.beats(20, 4000)
    two.grant(4000, 1, { time2: 15 })
    two.end(4001, 1)
  }
  const holding = (one: Author, until: number): void => {
    one.take(10, 1)
    one.beats(12, until)
    one.end(until, 1)
    one.beats(until, 4100)
  }

  test('is a wait that goes on while nobody holds the file', () => {
    const found = Story.ofTwo((one, two) => {
      holding(one, 30)
      granted(two)
    }, 4100)
    expect(found).toEqual([WAKE_UPS])
  })

  test('is one that is given up as well', () => {
    const found = Story.ofTwo((one, two) => {
      holding(one, 30)
      two.ask(15, 1)
      two.beats(20, 4000)
      two.tell(4000, KIND.refused, { id: 1, file: 0, code: 'timeout' })
    }, 4100)
    expect(found).toEqual([WAKE_UPS])
  })

  test('is not one behind a hold', () => {
    const found = Story.ofTwo((one, two) => {
      holding(one, 3990)
      granted(two)
    }, 4100)
    expect(found).toEqual([])
  })

  test('is not one of a thread that did not run', () => {
    const found = Story.ofTwo((one, two) => {
      holding(one, 30)
      two.ask(15, 1)
      two.grant(4000, 1, { time2: 15 })
      two.end(4001, 1)
    }, 4100)
    expect(found).toEqual([])
  })

  test('is not one while another waiter may have been granted without running', () => {
    const story = new Story()
    const [one, two, three] = [story.author(1), story.author(2), story.author(3)]
    holding(one, 30)
    granted(two)
    three.ask(16, 1)
    three.tell(3990, KIND.refused, { id: 1, file: 0, code: 'aborted' })
    for (const [index, author] of [one, two, three].entries()) {
      author.finish(4100)
      story.exited(4101, index + 1)
    }
    expect(story.found()).toEqual([])
  })
})

describe('the witness', () => {
  const count = (author: Author, time: number, id: number, number: number): void => {
    author.take(time, id)
    author.tell(time + 1, KIND.count, { id, file: 0, a: number })
    author.end(time + 2, id)
  }
  const counter = ({ folder }: Story, value: number): void => new Witness(folder).write(witnessName(0, 'only'), value)

  test('is content when every number came once', () => {
    const found = Story.ofTwo((one, two, story) => {
      count(one, 10, 1, 1)
      count(two, 20, 1, 2)
      counter(story, 2)
    })
    expect(found).toEqual([])
  })

  test('finds a number that came twice', () => {
    const found = Story.ofTwo((one, two, story) => {
      count(one, 10, 1, 1)
      count(two, 20, 1, 1)
      counter(story, 1)
    })
    expect(found).toEqual([COUNTERS])
  })

  test('finds a number that is missing', () => {
    const found = Story.ofTwo((one, _two, story) => {
      count(one, 10, 1, 1)
      counter(story, 2)
    })
    expect(found).toEqual([COUNTERS])
  })

  test('allows one that died with its section', () => {
    const story = killed((_two, { folder }) => new Witness(folder).write(witnessName(0, 'only'), 1))
    expect(story.found()).toEqual([])
  })
})

test('a record that was cut short is left out', () => {
  const story = new Story()
  const one = story.author(1)
  one.take(10, 1)
  one.end(20, 1)
  one.tell(21, KIND.refused, { id: 2, file: NO_FILE, code: 'timeout' })
  one.finish(30)
  story.exited(31, 1)
  writeFileSync(join(logsOf(story.folder), logName(1, 0)), Buffer.alloc(20), { flag: 'a' })
  expect(story.found()).toEqual([])
})

/** `folder` is where histories are kept. */
function program(folder: string, path: string, ...args: string[]): { status: number | null; output: string } {
  const env = { ...process.env, TMPDIR: folder }
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8', env })
  return { status, output: stdout + stderr }
}

/** Where the history was kept, or nothing. */
const keptIn = (output: string): string => /^kept: ([^;\n]+)/m.exec(output)?.[1] ?? ''

describe.skipIf(missing(posix, compiled))(
  'processes that take locks while they are killed, stopped and cut short',
  () => {
    test('exclude each other, and lose nothing', () => {
      // Not a folder of the test: a history that fails is kept.
      const { status, output } = program(tmpdir(), RUN, '--seconds', '10')
      expect(output).toContain('8 passed, 0 failed')
      expect(status).toBe(0)
      expect(keptIn(output)).toBe('')
    })

    test('are found out by the checker and by the witness if some sections take no lock, then and later', () => {
      const folder = scratch()
      const { status, output } = program(folder, RUN, '--seconds', '4', '--plant', 'unlocked')
      expect(output).toContain(`FAILED: ${EXCLUSION}`)
      expect(output).toContain(`FAILED: ${COUNTERS}`)
      expect(status).toBe(1)

      const again = program(folder, CHECK, keptIn(output))
      expect(again.output).toContain(`FAILED: ${EXCLUSION}`)
      expect(again.output).toContain(`FAILED: ${COUNTERS}`)
      expect(again.status).toBe(1)
    })
  },
)
