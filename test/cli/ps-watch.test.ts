// `holdfast ps --watch`: a screen that is drawn in place, and a log of changes.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { Agent } from '../helpers/agent.js'
import { anotherUser, missing, posix, program } from '../helpers/capabilities.js'
import { kernelTables } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { PROGRAM, Running } from './program.js'
import { Seen } from './screen.js'
import { CTRL_C, onTerminal, terminals } from './terminal.js'

interface ChangeJson {
  at: string
  event: string
  file: string
  pid: number
  ms: number | null
  granted?: boolean
}

const OFTEN = ['ps', '--watch', '0.05']

describe('the log of a watch', () => {
  test.skipIf(missing(kernelTables))('has one line of JSON for each change', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const watch = Running.holdfast([...OFTEN, '--json', folder])
    const events = (): ChangeJson[] =>
      watch.output
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as ChangeJson)
    const told = (event: string, pid: number): Promise<void> =>
      until(`${event} ${pid}`, () => events().some((each) => each.event === event && each.pid === pid))

    const [one, two] = [await Agent.start(), await Agent.start()]
    const hold = await one.acquire(file, { label: 'first' })
    await told('held', one.pid)
    const granted = two.acquire(file)
    await waiterBlocked(`${file}.hold`, two.pid)
    await told('waiting', two.pid)
    await one.release(hold)
    await granted
    await told('held', two.pid)
    await two.kill()
    await told('abandoned', two.pid)
    watch.process.kill('SIGTERM')
    expect(await watch.ended).toMatchObject({ code: 0 })

    const all = events()
    expect(all.map(({ event, pid }) => `${event} ${pid === one.pid ? 1 : 2}`)).toEqual([
      'held 1',
      'waiting 2',
      'left 2',
      'released 1',
      'held 2',
      'released 2',
      'abandoned 2',
    ])
    expect(all[0]).toMatchObject({ file, label: 'first', mode: 'exclusive', confirmed: true })
    expect(all[2]).toMatchObject({ granted: true })
    for (const { at, ms } of all) {
      expect(new Date(at).toISOString()).toBe(at)
      expect(ms).toBeGreaterThanOrEqual(0)
    }
    expect(watch.errors).toBe('')
  })

  test('is text where no JSON is asked for, without escape sequences', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'file'), { label: 'mine\x1b[2J' })
    const watch = Running.holdfast([...OFTEN, folder])
    await watch.says('\n')
    watch.process.kill('SIGINT')
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(watch.output).toMatch(/^\d{4}-\S+Z held +\S+file pid \d+ [\d.]+s "mine\\x1b\[2J" /)
    expect(watch.output).not.toContain('\x1b')
  })

  test('ends with 1 as soon as something lasts for as long as --longer-than', async () => {
    const folder = scratch()
    const watch = Running.holdfast([...OFTEN, '--json', '--longer-than', '0.3', folder])
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'file'))
    expect(await watch.ended).toMatchObject({ code: 1 })
    const lines = watch.output.trimEnd().split('\n')
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ event: 'overdue', what: 'held', pid: agent.pid })
  })

  test.skipIf(missing(kernelTables))('ends with 1 for a wait that began before the watch', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const [one, two] = [await Agent.start(), await Agent.start()]
    await one.acquire(file, { mode: 'shared' }) // of which nothing tells since when
    void two.acquire(file).catch(() => undefined)
    await waiterBlocked(`${file}.hold`, two.pid)
    const watch = Running.holdfast([...OFTEN, '--json', '--longer-than', '1', folder])
    expect(await watch.ended).toMatchObject({ code: 1 })
    const last = watch.output.trimEnd().split('\n').at(-1) ?? ''
    expect(JSON.parse(last)).toMatchObject({ event: 'overdue', what: 'waiting', pid: two.pid })
  })

  test('ends with 0 when --for is over', async () => {
    const watch = Running.holdfast([...OFTEN, '--for', '0.2', scratch()])
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(watch.output).toBe('')
  })

  test('needs no number, and takes a folder behind --watch for a folder', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'file'))
    const watch = Running.holdfast(['ps', '--for', '0.05', '--watch', folder])
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(watch.output).toMatch(new RegExp(`^\\S+ held +\\S+file pid ${agent.pid} .*\\n$`))
  })

  test.skipIf(missing(anotherUser, posix))('tells once of a folder that it may not read', async () => {
    const folder = scratch()
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'closed'), { mode: 0o700 })
    const nobody = { uid: 65534, gid: 65534, cwd: '/' }
    const watch = Running.holdfast([...OFTEN, '--for', '0.2', '--recursive', folder], nobody)
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(watch.errors).toMatch(/^holdfast: \S+closed cannot be read: EACCES.*\n$/)
  })

  test.skipIf(missing(posix))('ends when nobody reads it any more', async () => {
    const folder = scratch()
    const script = '"$0" "$1" ps --watch 0.05 --json | head -1; echo "${PIPESTATUS[0]}"'
    const watch = new Running(['bash', '-c', script, process.execPath, PROGRAM], { cwd: folder })
    for (let round = 0; !watch.output.includes('\n0\n'); round++) {
      const agent = await Agent.start()
      await agent.acquire(join(folder, `${round}`))
      await agent.kill()
      if (round > 100) break
    }
    expect(watch.output.trimEnd().split('\n')).toHaveLength(2)
    expect(watch.errors).toBe('')
  })
})

describe.skipIf(missing(terminals))('the screen of a watch', () => {
  /** More locks than a terminal of 24 rows shows, with names that are too long for it. */
  function crowded(): string {
    const folder = scratch()
    const record = `holdfast {"v":1,"state":"held","pid":1,"since":0,"label":"${'label '.repeat(30)}"}`.padEnd(512)
    for (let index = 0; index < 60; index++) {
      writeFileSync(join(folder, `${index} ${'name '.repeat(20)}.hold`), record)
    }
    return folder
  }

  /** Says its process id and its terminal on the first screen. */
  function watching(folder: string, { program = PROGRAM, node = [] as string[], ...size } = {}): Running {
    const script = 'echo "$$ $(tty)"; exec "$@"'
    return onTerminal(['sh', '-c', script, 'sh', process.execPath, ...node, program, ...OFTEN, folder], size)
  }

  function facts({ output }: Running): { pid: number; tty: string } {
    const [pid, tty = ''] = new Seen(output).first.split(/\s/)
    return { pid: Number(pid), tty }
  }

  function drawn(watch: Running, text = 'abandoned'): Promise<void> {
    return until(`it shows ${text}`, () => new Seen(watch.output).rows.slice(1).some((row) => row.includes(text)))
  }

  function expectRestored({ output }: Running): void {
    const seen = new Seen(output)
    expect([seen.onSecond, seen.cursor, seen.wraps]).toEqual([false, true, true])
  }

  test('is no wider than 80 columns and no higher than 24 rows', async () => {
    const watch = watching(crowded())
    await drawn(watch)
    watch.type('q')
    expect(await watch.ended).toMatchObject({ code: 0 })
    const seen = new Seen(watch.output)
    expect(seen.widest).toBeLessThanOrEqual(80)
    expect(seen.widest).toBeGreaterThan(70)
    expect(seen.lowest).toBe(24)
    expect(seen.drawn.map(({ text }) => text)).toContainEqual('… and 39 more')
    expect(seen.drawn[0]?.text).toMatch(/^\d\d:\d\d:\d\d {2}0 held, 0 shared, 0 waiting, 60 abandoned, 0 free$/)
    expectRestored(watch)
  })

  test('is wiped once, and then only lines that changed are drawn', async () => {
    const watch = watching(crowded())
    await drawn(watch)
    await until('some seconds have passed', () => new Set(watch.output.match(/\d\d:\d\d:\d\d/g)).size > 2)
    watch.type('q')
    await watch.ended
    const seen = new Seen(watch.output)
    expect(seen.wiped).toBe(1)
    // Every row once, and the one with the time again.
    expect(seen.drawn.filter(({ row }) => row === 5)).toHaveLength(1)
    expect(seen.drawn.filter(({ row }) => row === 0).length).toBeGreaterThan(1)
  })

  test('shows a change in place, with what is waited for first', async () => {
    const folder = crowded()
    const watch = watching(folder)
    await drawn(watch)
    const [one, two] = [await Agent.start(), await Agent.start()]
    await one.acquire(join(folder, 'zz'), { label: 'mine' })
    void two.acquire(join(folder, 'zz')).catch(() => undefined)
    if (kernelTables.there) {
      await drawn(watch, 'waiting')
      const seen = new Seen(watch.output)
      expect(seen.rows[2]).toMatch(new RegExp(`^zz +held +${one.pid}`))
      expect(seen.rows[3]).toMatch(new RegExp(`^ +waiting +${two.pid}`))
    }
    watch.type(CTRL_C)
    expect(await watch.ended).toMatchObject({ code: 0 })
    expectRestored(watch)
  })

  test('is drawn anew at Ctrl-L', async () => {
    const watch = watching(crowded())
    await drawn(watch)
    watch.type('\x0c')
    await until('it is wiped again', () => new Seen(watch.output).wiped === 2)
    await drawn(watch)
    watch.type('q')
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(new Seen(watch.output).drawn.filter(({ row }) => row === 5)).toHaveLength(2)
  })

  test.skipIf(missing(program('stty')))('follows the size of the terminal', async () => {
    const watch = watching(crowded())
    await drawn(watch)
    const { tty } = facts(watch)
    const before = watch.output.length
    spawnSync('stty', ['-F', tty, 'rows', '10', 'cols', '60'])
    await until('it is drawn anew', () => watch.output.slice(before).includes('… and 53 more'))
    watch.type('q')
    await watch.ended
    const after = new Seen(`\x1b[?1049h${watch.output.slice(watch.output.lastIndexOf('\x1b[2J'))}`)
    expect(after.widest).toBeLessThanOrEqual(60)
    expect(after.lowest).toBe(10)
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('is left as it was found at %s', async (signal) => {
    const watch = watching(crowded())
    await drawn(watch)
    process.kill(facts(watch).pid, signal)
    expect(await watch.ended).toMatchObject({ code: 0 })
    expectRestored(watch)
  })

  test('is left as it was found by a crash', async () => {
    const crash = 'data:text/javascript,process.on("SIGUSR2", () => { throw new Error("a crash") })'
    const watch = watching(crowded(), { node: ['--import', crash] })
    await drawn(watch)
    process.kill(facts(watch).pid, 'SIGUSR2')
    expect((await watch.ended).code).not.toBe(0)
    expect(new Seen(watch.output).first).toContain('a crash')
    expectRestored(watch)
  })

  test('is left while the program is stopped, and comes back with it', async () => {
    const watch = watching(crowded())
    await drawn(watch)
    const { pid } = facts(watch)
    const entered = (): number => watch.output.split('\x1b[?1049h').length - 1
    watch.type('\x1a')
    await until('the screen is left', () => !new Seen(watch.output).onSecond)
    await until('it is stopped', () =>
      spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' }).stdout.startsWith('T'),
    )
    process.kill(pid, 'SIGCONT')
    await until('the screen is back', () => entered() === 2)
    await drawn(watch)
    watch.type('q')
    expect(await watch.ended).toMatchObject({ code: 0 })
    expectRestored(watch)
  })

  test('tells on the first screen what has lasted too long', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'file'))
    const watch = onTerminal([process.execPath, PROGRAM, ...OFTEN, '--longer-than', '0.5', folder])
    expect(await watch.ended).toMatchObject({ code: 1 })
    expectRestored(watch)
    expect(new Seen(watch.output).first).toMatch(new RegExp(`overdue +\\S*file pid ${agent.pid} [\\d.]+s held`))
  })

  test('is a log on a terminal that knows no cursor', async () => {
    const folder = crowded()
    const watch = onTerminal([process.execPath, PROGRAM, ...OFTEN, '--for', '0.2', folder], { env: { TERM: 'dumb' } })
    expect(await watch.ended).toMatchObject({ code: 0 })
    expect(watch.output).not.toContain('\x1b')
    expect(watch.output).toContain('abandoned')
  })
})
