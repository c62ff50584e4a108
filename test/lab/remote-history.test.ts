// The lab's histories of locks on PostgreSQL: a short one of the real thing, a bug that is planted and must be found, and the
// checker on histories written by hand. What it has from the checker of lab/history is tested in history.test.ts.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { EventLog, GRANT, KIND, type Details, type Kind } from '../../lab/history/events.js'
import { DRIVER_LOG, logName, logsOf } from '../../lab/history/plan.js'
import { check } from '../../lab/remote-history/check.js'
import { SAMPLES, saveRemotePlan } from '../../lab/remote-history/plan.js'
import { readRemoteHistory, type Line } from '../../lab/remote-history/reading.js'
import { missing, type Capability } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { postgresServer } from '../postgres/server.js'

const RUN = fileURLToPath(new URL('../../lab/dist/remote-history/run.js', import.meta.url))
const compiled: Capability = { name: 'the compiled lab (npm run compile:lab)', there: existsSync(RUN) }

const EXCLUSION = 'no exclusive hold overlaps another one of its file'
const FENCES = 'fences are unique and grow'
const GUARDS = 'no guard of an ended hold is entered'
const COUNTERS = 'no count is lost'
const PARTITIONS = 'who is cut off knows it before its lock is granted to another'
const REFUSALS = 'nothing is refused by the database, or lost, without a cause'
const IDLE = 'nobody waits for a lock that nobody has, and nobody waits for ever'
const CONNECTIONS = 'no process has more than 5 connections'
const QUIET = 'in quiet moments the database keeps what is held, and nothing else'

/** Processes 1 and 3 live on host 1, the others where the server is. */
const PLAN = {
  ...{ seed: 1, base: '0', processes: 4, threads: 0, lanes: 2, planted: 'none' as const, hosts: 1, urls: [] },
  files: [{ path: 'name', lockfile: '', link: '', hardLink: null, inode: 0 }],
  socket: { host: '', port: 0 },
  heartbeat: { every: 200, answer: 600, server: 3000 },
  nemeses: { terminations: 0, cancelStorms: 0, restarts: 0, cuts: 0, longStops: 0 },
  pace: {
    ...{ kills: 0, stops: 0, replacements: 0, terminations: 0, suicides: 0, exits: 0, blocks: 0 },
    ...{ longestBlock: 0, children: 0 },
  },
}
const END = 9000

const at = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6))

type Told = Omit<Details, 'time' | 'time2'> & { time2?: number }

/** A process of a history that is written by hand. Times are in milliseconds; it runs but where it is told not to. */
class Author {
  private readonly events: { time: number; kind: Kind; details: Told }[] = []
  private readonly sleeps: { from: number; to: number }[] = []
  readonly number: number

  constructor(number: number) {
    this.number = number
  }

  tell(time: number, kind: Kind, details: Told = {}): void {
    this.events.push({ time, kind, details })
  }

  sleep(from: number, to: number): void {
    this.sleeps.push({ from, to })
  }

  /** Asked for 10 ms before, unless it is said when. */
  take(time: number, id: number, { asked = time - 10, ...details }: Told & { asked?: number } = {}): void {
    const code = GRANT.held | GRANT.recorded
    this.tell(asked, KIND.ask, { id, file: 0 })
    this.tell(time, KIND.grant, { id, file: 0, code, a: time * 1000, b: -1, time2: asked, extra: id, ...details })
  }

  /** Its signal fires. */
  lose(time: number, id: number): void {
    this.tell(time, KIND.signal, { id, file: 0, code: 'connection' })
    this.tell(time + 1, KIND.ended, { id, file: 0, code: 'connection' })
  }

  end(time: number, id: number): void {
    this.tell(time, KIND.end, { id, file: 0 })
    this.tell(time + 0.01, KIND.ended, { id, file: 0, code: 'released' })
  }

  write(folder: string): void {
    for (let time = 0; time < END; time += 50) {
      if (!this.sleeps.some(({ from, to }) => time > from && time < to)) this.tell(time, KIND.beat)
    }
    this.tell(END, KIND.finished)
    const log = new EventLog(openSync(join(logsOf(folder), logName(this.number, 0)), 'ax'))
    log.write(KIND.hello, { a: 1000 + this.number, time: 0n })
    this.events.sort((one, other) => one.time - other.time)
    for (const { time, kind, details } of this.events) {
      log.write(kind, { ...details, time: at(time), time2: at(details.time2 ?? 0) })
    }
  }
}

interface Story {
  /** On the host that can be cut off. */
  readonly far: Author
  readonly near: Author
  /** The driver's: `from` to `to`, about `id`. */
  readonly drive: (kind: Kind, from: number, to: number, id?: number) => void
  readonly cut: (from: number, to: number) => void
  readonly sample: (line: Line) => void
}

/** The titles of the checks that found something. */
function found(tell: (story: Story) => void): string[] {
  const folder = scratch()
  mkdirSync(logsOf(folder))
  saveRemotePlan({ ...PLAN, folder })
  const driver = new EventLog(openSync(join(logsOf(folder), DRIVER_LOG), 'ax'))
  const [far, near] = [new Author(1), new Author(2)]
  tell({
    far,
    near,
    drive: (kind, from, to, id = 0) => driver.write(kind, { id, time: at(from), time2: at(to) }),
    cut: (from, to) => {
      driver.write(KIND.cut, { id: 1, time: at(from) })
      driver.write(KIND.healed, { id: 1, time: at(to) })
    },
    sample: (line) => writeFileSync(join(folder, SAMPLES), `${JSON.stringify(line)}\n`, { flag: 'a' }),
  })
  for (const author of [far, near]) {
    author.write(folder)
    driver.write(KIND.exited, { id: author.number, time: at(END + 1) })
  }
  return check(readRemoteHistory(folder)).checks.flatMap(({ title, count }) => (count > 0 ? [title] : []))
}

describe('a number that comes twice', () => {
  /** The second of two holds with one number, asked for at some time; the first one lasts from 100 to 300. */
  const twice = (asked: number, owner: number): string[] =>
    found(({ near }) => {
      near.take(100, 1, { owner: 7, a: 5000 })
      near.end(300, 1)
      near.take(400, 2, { owner, a: 5000, asked })
      near.end(500, 2)
    })

  test('is that of a hold of the owner that was entered, and told when the others were there', () => {
    expect(twice(200, 7)).toEqual([])
  })

  test('is a mistake where that had ended, or was another owner’s', () => {
    expect(twice(350, 7)).toEqual([FENCES])
    expect(twice(200, 8)).toEqual([FENCES])
  })
})

describe('an overlap is excused', () => {
  test('while the news of a terminated session are on their way', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(510, 1, { asked: 200 })
      far.tell(520, KIND.check, { id: 1, file: 0 })
      far.lose(530, 1)
      near.end(600, 1)
    })
    expect(titles).toEqual([])
  })

  test('when the server takes its time to terminate the session', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(1500, 1, { asked: 200 })
      far.lose(1510, 1)
      near.end(1600, 1)
    })
    expect(titles).toEqual([])
  })

  test('while they are on their way and the process does not run', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      far.sleep(450, 3000)
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(510, 1, { asked: 200 })
      far.lose(3010, 1)
      near.end(3100, 1)
    })
    expect(titles).toEqual([])
  })

  test('when a host is cut off and the process does not run', () => {
    const titles = found(({ far, near, cut }) => {
      far.take(100, 1)
      far.sleep(450, 5000)
      cut(500, 5500)
      near.take(3600, 1, { asked: 200 })
      far.lose(5010, 1)
      near.end(5100, 1)
    })
    expect(titles).toEqual([])
  })

  test('when a session is terminated of which the host is cut off', () => {
    const titles = found(({ far, near, cut, drive }) => {
      far.take(100, 1)
      cut(500, 2000)
      drive(KIND.sessionEnded, 600, 602, 1)
      near.take(610, 1, { asked: 200 })
      far.lose(1290, 1)
      near.end(1300, 1)
    })
    expect(titles).toEqual([])
  })
})

describe('the checker finds', () => {
  test('a holder of a terminated session who is not told', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(510, 1, { asked: 200 })
      far.lose(1300, 1)
      near.end(1400, 1)
    })
    expect(titles).toEqual([EXCLUSION])
  })

  test('a holder whose session was terminated long ago', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(3000, 1, { asked: 200 })
      far.lose(3010, 1)
      near.end(3100, 1)
    })
    expect(titles).toEqual([EXCLUSION, REFUSALS])
  })

  test('a holder of another process than the one whose session was terminated', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 500, 502, 2)
      near.take(510, 1, { asked: 200 })
      far.lose(530, 1)
      near.end(600, 1)
    })
    expect(titles).toEqual([EXCLUSION, REFUSALS])
  })

  test('one that has lost its lock, and the larger fence', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1, { a: 900_000 })
      drive(KIND.sessionEnded, 500, 502, 1)
      near.take(510, 1, { asked: 200 })
      far.lose(530, 1)
      near.end(600, 1)
    })
    expect(titles).toEqual([EXCLUSION, FENCES])
  })

  test('a holder on a host that is cut off who learns it too late', () => {
    const titles = found(({ far, near, cut }) => {
      far.take(100, 1)
      cut(500, 5500)
      near.take(3600, 1, { asked: 200 })
      far.lose(3700, 1)
      near.end(3800, 1)
    })
    expect(titles).toEqual([EXCLUSION, PARTITIONS])
  })

  test('an overlap of a process that was stopped, and to which nothing else was done', () => {
    const titles = found(({ far, near, drive }) => {
      far.take(100, 1)
      far.sleep(450, 5000)
      drive(KIND.stop, 460, 0, 1)
      drive(KIND.continued, 4990, 0, 1)
      near.take(3600, 1, { asked: 200 })
      far.end(5010, 1)
      near.end(5100, 1)
    })
    expect(titles).toEqual([EXCLUSION])
  })

  test('a process that ran again after a partition, and found its hold held', () => {
    const titles = found(({ far, near, cut }) => {
      far.take(100, 1)
      far.sleep(450, 5000)
      cut(500, 5500)
      near.take(3600, 1, { asked: 200 })
      far.tell(5005, KIND.check, { id: 1, file: 0 })
      far.lose(5010, 1)
      near.end(5100, 1)
    })
    expect(titles).toEqual([EXCLUSION, PARTITIONS])
  })

  test('a guard that is entered after the signal', () => {
    const titles = found(({ far, drive }) => {
      far.take(100, 1)
      drive(KIND.sessionEnded, 190, 192, 1)
      far.lose(200, 1)
      far.tell(310, KIND.guardIn, { id: 1, file: 0, a: 1, time2: 300 })
      far.tell(320, KIND.guardOut, { id: 1, file: 0, a: 1 })
    })
    expect(titles).toEqual([GUARDS])
  })

  test('a hold that is lost for nothing', () => {
    const lost = ({ far }: Story): void => {
      far.take(4000, 1)
      far.lose(4100, 1)
    }
    expect(found(lost)).toEqual([REFUSALS])
    const excused = found((story) => {
      lost(story)
      story.drive(KIND.sessionEnded, 4050, 4051, 1)
    })
    expect(excused).toEqual([])
  })

  test('a request that the database refuses for nothing', () => {
    const refused = ({ far }: Story): void => {
      far.tell(4000, KIND.ask, { id: 1, file: 0 })
      far.tell(4100, KIND.refused, { id: 1, file: 0, code: 'database' })
    }
    expect(found(refused)).toEqual([REFUSALS])
    const excused = found((story) => {
      refused(story)
      story.drive(KIND.restarted, 3900, 4050)
    })
    expect(excused).toEqual([])
  })

  test('a wait for a lock that the database knows nobody to have', () => {
    const waiting = (busy: readonly number[]) =>
      found(({ far, sample }) => {
        for (let time = 0; time < END; time += 200) {
          const [from, to] = [time * 1e6, (time + 5) * 1e6]
          sample({ from, to, busy: time < 1000 ? [0] : busy, sessions: {}, sockets: {} })
        }
        far.take(8000, 1, { asked: 500 })
        far.end(8100, 1)
      })
    expect(waiting([])).toEqual([IDLE])
    expect(waiting([0])).toEqual([])
  })

  test('a process with too many connections', () => {
    const counted = (sessions: number, sockets: number, restarted = false) =>
      found(({ sample, drive }) => {
        if (restarted) drive(KIND.restarted, 3900, 4050)
        sample({ from: 5000e6, to: 5001e6, busy: [], sessions: { 1: sessions }, sockets: { 1: sockets } })
      })
    expect(counted(5, 5)).toEqual([])
    expect(counted(6, 5)).toEqual([CONNECTIONS])
    expect(counted(5, 6)).toEqual([CONNECTIONS])
    // The server may not have noticed yet that some are gone.
    expect(counted(6, 5, true)).toEqual([])
  })

  test('a quiet moment in which the database keeps something else', () => {
    expect(found(({ sample }) => sample({ quiet: ['the database keeps what nobody holds: 1 name'] }))).toEqual([QUIET])
    expect(found(({ sample }) => sample({ quiet: [] }))).toEqual([])
  })
})

/** `folder` is where histories are kept. */
function run(folder: string, ...args: string[]): { status: number | null; output: string } {
  const env = { ...process.env, TMPDIR: folder }
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], { encoding: 'utf8', env })
  return { status, output: stdout + stderr }
}

describe.skipIf(missing(postgresServer, compiled))(
  'processes on several hosts that lock through PostgreSQL, under a nemesis',
  () => {
    test('exclude each other, and lose nothing', { timeout: 120_000 }, () => {
      // Not a folder of the test: a history that fails is kept.
      const { status, output } = run(tmpdir(), '--short')
      expect(output).toContain('11 passed, 0 failed')
      expect(status).toBe(0)
    })

    test('are found out if some sections take no lock', { timeout: 120_000 }, () => {
      const folder = scratch()
      chmodSync(folder, 0o755) // the server is another user
      const { status, output } = run(folder, '--seconds', '2', '--plant', 'unlocked')
      expect(output).toContain(`FAILED: ${EXCLUSION}`)
      expect(output).toContain(`FAILED: ${COUNTERS}`)
      expect(status).toBe(1)
    })
  },
)
