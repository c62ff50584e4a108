// From when on a session is sure to live, and until when: on a connection and clocks that are turned by hand.
import { expect, test } from 'vitest'

import type { PostgresConnection, Row } from '../../src/postgres/adapter.js'
import { Session } from '../../src/postgres/session.js'
import { FakeClock } from '../helpers/fake-clock.js'

const HEARTBEAT = { every: 100, bound: 400, server: 1500 }

class Wire implements PostgresConnection {
  readonly processId = 7
  readonly sent: string[] = []
  destroyed = false
  private waiting: { resolve: (rows: Row[]) => void; reject: (error: unknown) => void } | null = null

  query(text: string): Promise<Row[]> {
    this.sent.push(text)
    return new Promise((resolve, reject) => (this.waiting = { resolve, reject }))
  }

  async answer(...rows: Row[]): Promise<void> {
    this.waiting?.resolve(rows.length === 0 ? [{ pid: '7' }] : rows)
    await settle()
  }

  async answerNothing(): Promise<void> {
    this.waiting?.resolve([])
    await settle()
  }

  async refuse(error: object): Promise<void> {
    this.waiting?.reject(error)
    await settle()
  }

  end(): Promise<void> {
    return Promise.resolve()
  }

  destroy(): void {
    this.destroyed = true
  }
}

/** Everything that was due has run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Its wall time goes with its monotonic one, and may be moved besides. */
class TwoClocks extends FakeClock {
  shift = 0

  override wallTime(): number {
    return super.wallTime() + this.shift
  }
}

async function world() {
  const clock = new TwoClocks()
  const wire = new Wire()
  let ended: (cause: unknown) => void = () => {}
  const adapter = {
    connect: (end: (cause: unknown) => void) => {
      ended = end
      return Promise.resolve(wire)
    },
  }
  const session = await Session.open(adapter, clock, HEARTBEAT)
  session.pid = 7
  const causes: unknown[] = []
  session.onEnd = (cause) => causes.push(cause)
  return { clock, wire, session, causes, end: (cause: unknown) => ended(cause) }
}

test('an answer proves the moment at which its statement was sent, not the one at which it came', async () => {
  const { clock, wire, session } = await world()
  clock.block(1000)
  const asked = session.query('one')
  clock.block(300)
  await wire.answer()
  await asked
  expect(session.alive).toBe(true)
  clock.block(99)
  expect(session.alive).toBe(true)
  clock.block(1)
  expect(session.alive).toBe(false)
})

test('while something is kept, it beats; without an answer it is given up at its bound', async () => {
  const { clock, wire, session, causes } = await world()
  session.keep()
  clock.advance(100)
  expect(wire.sent).toEqual(['select pg_backend_pid()::text as pid'])
  await wire.answer()
  clock.advance(100)
  expect(wire.sent).toHaveLength(2)
  clock.advance(299) // the last one that was answered was sent at 100
  expect([session.alive, session.over]).toEqual([true, false])
  clock.advance(1)
  expect([session.alive, session.over, wire.destroyed]).toEqual([false, true, true])
  expect(String(causes[0])).toContain('no answer within 400 ms')
  await expect(session.query('more')).rejects.toThrow('the connection has ended')
})

test('what is kept where the last proof is old is proven anew before the bound', async () => {
  for (const age of [99, 250, 398]) {
    const { clock, wire, session } = await world()
    clock.block(age)
    session.keep()
    clock.advance(Math.max(1, 100 - age))
    expect(wire.sent).toHaveLength(1)
    await wire.answer()
    clock.advance(100)
    expect([session.alive, wire.sent.length]).toEqual([true, 2])
  }
})

test('a session in which nothing is kept is left alone; one that owes an answer is not', async () => {
  const { clock, wire, session } = await world()
  clock.advance(10_000)
  expect([wire.sent.length, session.over]).toEqual([0, false])
  void session.query('one').catch(() => {})
  clock.advance(399)
  expect(session.over).toBe(false)
  clock.advance(1)
  expect(session.over).toBe(true)
})

test('a statement that waits for a lock may take for ever, and proves nothing when it is answered', async () => {
  const { clock, wire, session } = await world()
  const wait = session.query('wait', true)
  clock.advance(100_000)
  expect(session.over).toBe(false)
  await wire.answer()
  await wait
  expect(session.alive).toBe(false)
})

test('a machine that was suspended is noticed by the wall clock, and one whose wall clock goes back is not harmed', async () => {
  const { clock, wire, session } = await world()
  session.keep()
  const asked = session.query('one')
  await wire.answer()
  await asked
  clock.shift = -3_600_000
  expect(session.alive).toBe(true)
  clock.shift = 400
  expect(session.alive).toBe(false)
})

test('statements go out one after another; one that fails proves nothing, and does not stop the next', async () => {
  const { clock, wire, session } = await world()
  clock.block(500)
  const [first, second] = [session.query('first'), session.query('second')]
  expect(wire.sent).toEqual(['first'])
  const refused = expect(first).rejects.toMatchObject({ code: '53200' })
  await wire.refuse({ code: '53200', severity: 'ERROR' })
  await refused
  expect(session.alive).toBe(false)
  expect(wire.sent).toEqual(['first', 'second'])
  await wire.answer()
  expect(await second).toEqual([{ pid: '7' }])
})

test('its end is told once, before whoever asked something hears of it', async () => {
  const { wire, session, causes, end } = await world()
  const order: string[] = []
  session.onEnd = () => order.push('end')
  const asked = session.query('one').catch(() => order.push('refused'))
  end('cut')
  end('again')
  await asked
  await wire.answer()
  expect(order).toEqual(['end', 'refused'])
  expect(causes).toEqual([])
})

test('a server that says goodbye, another server process, and one that does not know our statements end it', async () => {
  for (const error of [
    { code: '57P01', severity: 'FATAL' },
    { severity: 'FATAL' },
    { code: '26000', severity: 'ERROR' },
  ]) {
    const { wire, session } = await world()
    const asked = expect(session.query('one')).rejects.toThrow('the connection has ended')
    await wire.refuse(error)
    await asked
    expect(session.over).toBe(true)
  }
  const { wire, session } = await world()
  const beat = expect(session.beat()).rejects.toThrow('another server process answers')
  await wire.answer({ pid: '8' })
  await beat
  expect(session.over).toBe(true)
})

test('a connection that comes when nobody waits for it any more is cut', async () => {
  const clock = new TwoClocks()
  const wire = new Wire()
  let come = (): void => {}
  const connecting = new Promise<Wire>((resolve) => (come = () => resolve(wire)))
  const opening = expect(Session.open({ connect: () => connecting }, clock, HEARTBEAT)).rejects.toThrow(
    'no connection within 400 ms',
  )
  clock.advance(400)
  await opening
  come()
  await settle()
  expect(wire.destroyed).toBe(true)
})

test('whoever keeps something in a session is told that it is lost before the connection is cut', async () => {
  const { wire, session } = await world()
  const cut: boolean[] = []
  session.onEnd = () => cut.push(wire.destroyed)
  session.lose(new Error('enough'))
  expect([...cut, wire.destroyed]).toEqual([false, true])
})

test('a session of which a statement is answered with too few or too many rows is given up', async () => {
  const [few, many] = [await world(), await world()]
  const failed = [few.session.ask('one', 'pid'), many.session.rows('two', 2)].map((asked) =>
    expect(asked).rejects.toThrow('rows'),
  )
  await few.wire.answerNothing()
  await many.wire.answer({ pid: '7' }, { pid: '7' }, { pid: '7' })
  await Promise.all(failed)
  expect([few.session.over, many.session.over]).toEqual([true, true])
  expect([few.wire.destroyed, many.wire.destroyed]).toEqual([true, true])
})
