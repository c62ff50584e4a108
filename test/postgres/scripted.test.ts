// What the engine does where a server answers what one can hardly be made to say, or at a moment that cannot be chosen: on a
// server that answers by a script, and a clock that is turned by hand.
import { describe, expect, test } from 'vitest'

import type { Lease, Mode } from '../../src/kernel/kernel.js'
import type { Row } from '../../src/postgres/adapter.js'
import { PostgresKernel } from '../../src/postgres/postgres-kernel.js'
import { RemoteHoldfast } from '../../src/postgres/remote-holdfast.js'
import { Sessions } from '../../src/postgres/sessions.js'
import { FakeClock } from '../helpers/fake-clock.js'
import { GOOD_SEQUENCE, refusal, ScriptedServer, settle } from './scripted-server.js'

const HEARTBEAT = { every: 100, bound: 400, server: 1500 }
const BROKEN = refusal('XX000')
const CANCELED = refusal('57014')
const NOT_GRANTED = [{ fence: null }]
const FREED = [{ done: 'true' }]
const NOT_DONE = [{ done: 'false' }]

function world() {
  const clock = new FakeClock()
  const server = new ScriptedServer()
  const surroundings = { adapter: server, clock, heartbeat: HEARTBEAT, application: 'test', sequence: 'fence' }
  const kernel = new PostgresKernel('test', HEARTBEAT, new Sessions({ ...surroundings, pooled: false }))
  const settled: Lease[] = []
  const lost: Lease[] = []
  kernel.onSettled = (lease) => settled.push(lease)
  kernel.onLost = (lease) => lost.push(lease)

  const request = async (name: string, mode: Mode = 'exclusive'): Promise<Lease> => {
    const answer = kernel.request(kernel.locate(name), mode, 'try-then-wait')
    if (answer.kind !== 'waiting') throw new Error(answer.kind)
    await settle()
    return answer.lease
  }
  /** Somebody else has the lock. */
  const wait = (name: string, mode?: Mode): Promise<Lease> => {
    server.next(/^execute try_/, NOT_GRANTED)
    return request(name, mode)
  }
  const grant = async (): Promise<void> => {
    server.asked(/^execute wait_/).resolve([{ fence: server.number() }])
    await settle()
  }
  /** Nothing is left of what nobody wants of that lock. */
  const cleaned = (name: string): Promise<void> => kernel.settled(kernel.locate(name))
  return { clock, server, kernel, settled, lost, request, wait, grant, cleaned }
}

describe('a wait', () => {
  test('is made anew when the server does not know its session any more', async () => {
    const { clock, server, kernel, settled, wait } = world()
    const lease = await wait('name')
    clock.advance(100)
    await settle()
    expect(server.count(/where pid in/)).toBe(1)
    expect(server.connections[1]?.state).toBe('open')
    server.next(/where pid in/, [{ pid: '2', started: 'began later' }])
    clock.advance(100)
    await settle()
    expect(server.connections[1]?.state).toBe('destroyed')
    expect(settled).toEqual([])
    clock.advance(50)
    await settle()
    expect(settled).toEqual([lease])
    expect(kernel.claim(lease)).toEqual({ kind: 'granted', lease })
  })

  test('that ends just before its session would be given up is granted for longer than that', async () => {
    const { clock, server, kernel, lost, wait, grant } = world()
    const lease = await wait('name')
    for (const time of [100, 100, 100, 99]) {
      clock.advance(time)
      await settle()
    }
    await grant()
    expect(kernel.claim(lease).kind).toBe('granted')
    for (const time of [1, 1, 98]) {
      clock.advance(time)
      await settle()
    }
    expect(lost).toEqual([])
    expect(kernel.alive(lease)).toBe(true)
    expect(server.connections[1]?.state).toBe('open')
  })

  test('that was given up while its grant was under way gives the lock back', async () => {
    const { server, kernel, settled, wait, grant, cleaned } = world()
    const lease = await wait('name')
    kernel.drop(lease)
    await settle()
    expect(server.count(/pg_cancel_backend/)).toBe(1)
    expect(server.count(/^execute unlock_all/)).toBe(0)
    for (const other of ['a', 'b', 'c', 'in line']) await wait(other)
    await grant()
    await cleaned('name')
    expect(server.count(/^execute unlock_all/)).toBe(1)
    expect(server.count(/^execute take_/)).toBe(0) // which would be to keep it
    expect(server.sent.at(-1)).toMatchObject({ pid: 2, text: expect.stringMatching(/^execute wait_/) as string })
    expect(settled).toEqual([])
  })

  test('that cannot be canceled ends with its connection', async () => {
    for (const reply of [[], BROKEN]) {
      const { server, kernel, wait, cleaned } = world()
      const lease = await wait('name')
      server.next(/pg_cancel_backend/, reply)
      kernel.drop(lease)
      await cleaned('name')
      expect(server.connections[1]?.state).toBe('destroyed')
      expect(server.connections[0]?.state).toBe('open')
    }
  })

  test('asks for its lock once, however long it lasts', async () => {
    const { clock, server, wait } = world()
    await wait('name')
    for (let beat = 0; beat < 600; beat++) {
      clock.advance(100)
      await settle()
    }
    expect([server.count(/^execute try_/), server.count(/^execute wait_/)]).toEqual([1, 1])
    expect(server.connections).toHaveLength(2)
  })

  test('that goes on although it was canceled, again and again, ends with its connection', async () => {
    const { clock, server, kernel, wait, cleaned } = world()
    kernel.drop(await wait('name'))
    for (let pause = 0; pause < 40; pause++) {
      clock.advance(10)
      await settle()
    }
    expect(server.connections[1]?.state).toBe('open')
    clock.advance(200)
    await settle()
    expect(server.connections[1]?.state).toBe('destroyed')
    expect(server.count(/pg_cancel_backend/)).toBeGreaterThan(2)
    await cleaned('name')
  })

  test('that begins with a try that an administrator cancels begins again', async () => {
    const { clock, server, kernel, settled, request } = world()
    server.next(/^execute try_/, CANCELED)
    server.next(/^execute unlock_/, NOT_DONE, NOT_DONE)
    const lease = await request('name')
    expect(settled).toEqual([])
    clock.advance(50)
    await settle()
    expect(settled).toEqual([lease])
    expect(kernel.claim(lease).kind).toBe('granted')
  })

  test('that stands in line is given up without a word to the server, and keeps no session from the next', async () => {
    const { server, kernel, wait, cleaned } = world()
    for (const name of ['a', 'b', 'c', 'd']) await wait(name)
    const lease = await wait('e')
    expect(server.connections).toHaveLength(5)
    const { length } = server.sent
    kernel.drop(lease)
    await cleaned('e')
    expect(server.sent).toHaveLength(length)
    await wait('f')
    server.connections[1]?.ended(new Error('cut'))
    await settle()
    expect(server.count(/^execute wait_/)).toBe(5)
  })

  test('that stands in line has a session of its own as soon as another one ended', async () => {
    const { server, wait } = world()
    for (const name of ['a', 'b', 'c', 'd', 'e']) await wait(name)
    expect(server.count(/^execute wait_/)).toBe(4)
    server.connections[1]?.ended(new Error('cut'))
    await settle()
    expect(server.connections).toHaveLength(6)
    expect(server.sent.at(-1)).toMatchObject({ pid: 6, text: expect.stringMatching(/^execute wait_/) as string })
  })

  test('stands in line where the server refuses another session, and fails where there is none', async () => {
    const { server, kernel, settled, wait, grant } = world()
    const first = await wait('first')
    server.unreachable.push(refusal('53300'))
    await wait('second')
    expect(server.connections).toHaveLength(2)
    expect(settled).toEqual([])
    await grant()
    expect(settled).toEqual([first])
    expect(server.count(/^execute take_/)).toBe(1) // so that there is a session for the second
    expect(server.sent.at(-1)).toMatchObject({ pid: 2, text: expect.stringMatching(/^execute wait_/) as string })

    const other = world()
    await other.kernel.holder()
    const forbidden = refusal('28P01')
    other.server.unreachable.push(forbidden)
    const lease = await other.wait('name')
    const failure = { code: 'ERR_LOCK_DATABASE', cause: forbidden }
    expect(() => other.kernel.claim(lease)).toThrow(expect.objectContaining(failure))
    expect(kernel.claim(first).kind).toBe('granted')
  })

  test('behind a release that was not answered yet is given up at once, and keeps the next one behind that', async () => {
    const { server, kernel, settled, request, cleaned } = world()
    const held = await request('name')
    kernel.claim(held)
    server.next(/^execute unlock_/, null)
    kernel.release(held)
    await settle()
    const dropped = [await request('name'), await request('name')]
    const next = await request('name')
    for (const lease of dropped) kernel.drop(lease)
    await settle()
    expect(server.count(/^execute try_/)).toBe(1)
    server.asked(/^execute unlock_/).resolve(FREED)
    await cleaned('name')
    await settle()
    expect(server.count(/^execute try_/)).toBe(2)
    expect(settled).toEqual([held, next])
    kernel.claim(next)
    kernel.drop(await request('name'))
    const closed = kernel.close()
    await settle()
    expect(server.connections[0]?.state).toBe('open') // for what is held
    kernel.release(next)
    await closed
    expect(server.connections[0]?.state).toBe('ended')
  })

  test('for a server that starts again can be given up at once', async () => {
    const { clock, server, kernel, request, cleaned } = world()
    server.unreachable.push(refusal('ECONNREFUSED'))
    const lease = await request('name')
    const { pending } = clock
    kernel.drop(lease)
    await cleaned('name')
    expect(clock.pending).toBe(pending - 1)
    expect(server.connections).toEqual([])
  })
})

describe('a database that cannot be reached', () => {
  const refused = refusal('ECONNREFUSED')

  function cutOff() {
    const at = world()
    return { ...at, remote: new RemoteHoldfast(at.kernel, at.clock) }
  }

  test('is asked again for as long as the lock is wanted', async () => {
    const { clock, server, kernel, settled, request } = cutOff()
    server.unreachable.push(...Array.from({ length: 40 }, () => refused))
    const lease = await request('name')
    for (let second = 0; second < 120 && settled.length === 0; second++) {
      clock.advance(1000)
      await settle()
    }
    expect(server.unreachable).toEqual([])
    expect(settled).toEqual([lease])
    expect(kernel.claim(lease).kind).toBe('granted')
  })

  test('may be a standby for as long as another one is made the primary', async () => {
    const { clock, server, kernel, settled, request } = cutOff()
    await kernel.holder()
    server.connections[0]?.ended(new Error('gone'))
    server.next(/pg_is_in_recovery/, [{ pid: '2', standby: 'true' }], [{ pid: '3', standby: 'true' }])
    const lease = await request('name')
    for (let second = 0; second < 10 && settled.length === 0; second++) {
      clock.advance(1000)
      await settle()
    }
    expect(server.connections.map(({ state }) => state)).toEqual(['destroyed', 'destroyed', 'destroyed', 'open'])
    expect(kernel.claim(lease).kind).toBe('granted')
  })

  test('is the cause of a time-out, which is not put off by it', async () => {
    const { clock, server, remote } = cutOff()
    server.unreachable.push(...Array.from({ length: 40 }, () => refused))
    const wait = remote.acquire('name', { timeout: 500 }).catch((error: unknown) => error)
    await settle()
    clock.advance(500)
    expect(await wait).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', cause: refused, holder: null })
    expect(String(await wait)).toContain('The database cannot be asked who holds it: refused with ECONNREFUSED')
  })

  test('and says nothing keeps no abort from being told at once', async () => {
    const { server, kernel, remote } = cutOff()
    let answer = (): void => {}
    server.silence = new Promise((resolve) => (answer = resolve))
    const controller = new AbortController()
    const wait = remote.acquire('name', { signal: controller.signal }).catch((reason: unknown) => reason)
    await settle()
    controller.abort('enough')
    expect(await wait).toBe('enough')
    answer()
    await settle()
    expect(server.count(/^execute/)).toBe(0)
    await kernel.close()
  })

  test('is not waited for by who stands in line for a session', async () => {
    const { server, kernel, wait, cleaned } = cutOff()
    await kernel.holder()
    let answer = (): void => {}
    server.silence = new Promise((resolve) => (answer = resolve))
    const lease = await wait('name')
    kernel.drop(lease)
    await cleaned('name')
    const next = await wait('next')
    answer()
    await settle()
    expect(server.count(/^execute wait_/)).toBe(1) // in the session that was meant for the first
    kernel.drop(next)
  })

  test('keeps its last reason until it can be', async () => {
    const { server, kernel } = cutOff()
    server.unreachable.push(refused)
    await expect(kernel.holder()).rejects.toBe(refused)
    expect(kernel.outage).toBe(refused)
    await kernel.holder()
    expect(kernel.outage).toBeNull()
  })
})

describe('closing', () => {
  test('ends the session that was being made meanwhile', async () => {
    const { server, kernel } = world()
    let answer = (): void => {}
    server.silence = new Promise((resolve) => (answer = resolve))
    const opening = kernel.holder()
    await settle()
    const closed = kernel.close()
    answer()
    await opening
    await closed
    expect(server.connections.map(({ state }) => state)).toEqual(['ended'])
  })

  test('ends the session that was being made for who gave up waiting', async () => {
    const { server, kernel, wait, cleaned } = world()
    await kernel.holder()
    let answer = (): void => {}
    server.silence = new Promise((resolve) => (answer = resolve))
    kernel.drop(await wait('name'))
    await cleaned('name')
    const closed = kernel.close()
    await settle()
    answer()
    await closed
    expect(server.connections.map(({ state }) => state)).toEqual(['ended', 'ended'])
  })

  test('rejects whoever waits here for what this process holds, and grants nothing more', async () => {
    const { clock, server, kernel } = world()
    const remote = new RemoteHoldfast(kernel, clock)
    const hold = await remote.acquire('name')
    const waits = [remote.acquire('name'), remote.acquire('name', { mode: 'shared' })]
    const refused = Promise.allSettled(waits)
    await remote.close()
    for (const result of await refused)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_LOCK_DATABASE', path: 'name' } })
    expect([hold.held, server.connections[0]?.state]).toEqual([false, 'ended'])
  })

  test('rejects whoever was granted a lock just now, and gives that back', async () => {
    const { server, kernel, settled, request, cleaned } = world()
    const lease = await request('name')
    expect(settled).toEqual([lease])
    const closed = kernel.close()
    expect(() => kernel.claim(lease)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_DATABASE' }))
    await cleaned('name')
    await closed
    expect(server.count(/^execute unlock_exclusive/)).toBe(1)
  })
})

describe('the session of a wait', () => {
  async function givenUp(...replies: (typeof FREED | Error)[]) {
    const at = world()
    const lease = await at.wait('name')
    at.server.next(/^execute unlock_all/, ...replies)
    at.kernel.drop(lease)
    at.server.asked(/^execute wait_/).reject(CANCELED)
    await at.cleaned('name')
    return at
  }

  test('is asked once more to let go of everything when a request to cancel hits that', async () => {
    const { server, wait } = await givenUp(CANCELED, FREED)
    expect(server.count(/^execute unlock_all/)).toBe(2)
    await wait('other')
    expect(server.connections).toHaveLength(2)
  })

  test('is cut when it cannot let go of everything', async () => {
    const { server } = await givenUp(BROKEN)
    expect(server.connections[1]?.state).toBe('destroyed')
  })

  test('is left to others by a wait that is given up at any step of its way there', async () => {
    let asked = 0
    for (let steps = 0; steps < 40; steps++) {
      const { server, kernel, wait, cleaned } = await givenUp(FREED)
      server.next(/^execute try_/, NOT_GRANTED)
      const answer = kernel.request(kernel.locate('name'), 'exclusive', 'try-then-wait')
      for (let step = 0; step < steps; step++) await Promise.resolve()
      if (answer.kind === 'waiting') kernel.drop(answer.lease)
      await settle()
      const sent = server.count(/^execute wait_/) > 1
      if (sent) server.asked(/^execute wait_/).reject(CANCELED)
      else asked = steps
      await cleaned('name')
      await wait('next')
      expect([steps, server.connections.length]).toEqual([steps, 2])
      expect(server.sent.at(-1)).toMatchObject({ pid: 2, text: expect.stringMatching(/^execute wait_/) as string })
    }
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(39)
  })

  test('is closed when nobody needed it for long', async () => {
    const { clock, server } = await givenUp(FREED)
    clock.advance(29_999)
    expect(server.connections[1]?.state).toBe('open')
    clock.advance(1)
    expect(server.connections[1]?.state).toBe('ended')
  })
})

describe('a lock that was won by waiting, and is to move so that another can be waited for', () => {
  async function movedBadly(mode: Mode) {
    const at = world()
    const lease = await at.wait('won', mode)
    await at.grant()
    expect(at.kernel.claim(lease).kind).toBe('granted')
    at.server.next(/^execute take_/, NOT_DONE)
    for (const name of ['a', 'b', 'c', 'd']) await at.wait(name)
    expect(at.server.count(/^execute take_/)).toBe(1)
    return { ...at, lease }
  }

  test('is lost, and told as lost, if it is exclusive and somebody took it meanwhile', async () => {
    const { kernel, server, lost, lease } = await movedBadly('exclusive')
    expect(lost).toEqual([lease])
    expect(kernel.alive(lease)).toBe(false)
    expect(server.count(/^execute unlock_all/)).toBe(1)
  })

  test('stays where it is if it is shared and cannot be had twice; it is moved later', async () => {
    const { clock, kernel, server, lost, lease } = await movedBadly('shared')
    expect(lost).toEqual([])
    expect(kernel.alive(lease)).toBe(true)
    expect(server.count(/^execute unlock_/)).toBe(0)
    for (let pause = 0; pause < 10; pause++) {
      clock.advance(100)
      await settle()
    }
    expect(server.count(/^execute take_/)).toBe(2)
    expect(kernel.alive(lease)).toBe(true)
  })
})

test('a lock that may have been taken twice while it moved is let go of there', async () => {
  for (const [mode, isLost] of [
    ['exclusive', true],
    ['shared', false],
  ] as const) {
    const { server, kernel, lost, wait, grant } = world()
    const lease = await wait('won', mode)
    await grant()
    kernel.claim(lease)
    server.next(/^execute take_/, CANCELED) // which may come when the lock was taken already
    server.next(new RegExp(`^execute unlock_${mode}`), ...(isLost ? [FREED] : []), CANCELED, FREED)
    for (const name of ['a', 'b', 'c', 'd']) await wait(name)
    const unlocks = server.sent.filter(({ text }) => text.startsWith(`execute unlock_${mode}`))
    expect(unlocks.filter(({ pid }) => pid === 1)).toHaveLength(2)
    expect(lost).toEqual(isLost ? [lease] : [])
    expect(kernel.alive(lease)).toBe(!isLost)
  }
})

describe('a try', () => {
  test('that is answered without a row is made anew in another session, for it may have been granted', async () => {
    const { clock, server, kernel, settled, request } = world()
    await kernel.holder()
    server.next(/^execute try_/, [])
    const lease = await request('name')
    expect(server.connections[0]?.state).toBe('destroyed')
    clock.advance(100)
    await settle()
    expect(settled).toEqual([lease])
    expect(server.sent.filter(({ text }) => text.startsWith('execute try_')).map(({ pid }) => pid)).toEqual([1, 2])
  })
})

describe('a grant', () => {
  test('that comes long after its question is told when the session is sure to live', async () => {
    const { clock, server, kernel, settled, wait, grant } = world()
    const lease = await wait('name')
    for (let beat = 0; beat < 10; beat++) {
      clock.advance(100)
      await settle()
    }
    server.next(/^select pg_backend_pid/, null)
    await grant()
    expect(settled).toEqual([])
    server.asked(/^select pg_backend_pid/).resolve([{ pid: '2' }])
    await settle()
    expect(settled).toEqual([lease])
    expect(kernel.claim(lease).kind).toBe('granted')
    expect(kernel.alive(lease)).toBe(true)
  })

  test('that was read too late is none, and is given back', async () => {
    for (const [late, grace] of [
      [400, Infinity],
      [50, 50],
    ] as const) {
      const { clock, server, kernel, settled, wait, grant, cleaned } = world()
      const lease = await wait('name')
      kernel.limitWait(lease, grace, Infinity)
      await grant()
      expect(settled).toEqual([lease])
      clock.block(late)
      expect(kernel.claim(lease)).toEqual({ kind: 'replaced' })
      await cleaned('name')
      expect(server.count(/^execute unlock_all/)).toBe(1)
    }
  })

  test('that was prepared for a try is not given back by who gave up waiting for the same lock', async () => {
    const { server, kernel, clock } = world()
    const remote = new RemoteHoldfast(kernel, clock)
    await kernel.holder()
    server.next(/^execute try_/, null)
    const trying = remote.tryAcquire('name')
    const controller = new AbortController()
    const wait = remote.acquire('name', { signal: controller.signal }).catch((reason: unknown) => reason)
    await settle()
    controller.abort('enough')
    await settle()
    server.asked(/^execute try_/).resolve([{ fence: '16' }])
    expect(await trying).toMatchObject({ held: true, fence: 16 })
    expect(await wait).toBe('enough')
    expect(server.count(/^execute unlock_/)).toBe(0)
  })

  test('that was prepared for a try in a session that has ended since is none', async () => {
    const { server, kernel } = world()
    const file = kernel.locate('name')
    const prepared = await kernel.prepare(file, 'exclusive')
    server.connections[0]?.ended(new Error('cut'))
    expect(kernel.request(file, 'exclusive', 'try')).toEqual({ kind: 'busy' })
    await kernel.discard(prepared)
  })

  test('that was prepared for a try and is not taken is given back', async () => {
    const { server, kernel } = world()
    const file = kernel.locate('name')
    await kernel.discard(await kernel.prepare(file, 'exclusive'))
    expect(server.count(/^execute unlock_exclusive/)).toBe(1)
    expect(kernel.request(file, 'exclusive', 'try')).toEqual({ kind: 'busy' })
  })
})

test('a try that fails leaves nothing, and rejects with what to do about it', async () => {
  const { server, kernel } = world()
  const file = kernel.locate('name')
  server.next(/^execute try_/, refusal('53200'))
  server.next(/^execute unlock_/, FREED, NOT_DONE, FREED, NOT_DONE) // how far it came was not known
  await expect(kernel.prepare(file, 'exclusive')).rejects.toMatchObject({ code: 'ERR_LOCK_EXHAUSTED', path: 'name' })
  expect(server.count(/^execute unlock_/)).toBe(4)
  expect(kernel.request(file, 'exclusive', 'try')).toEqual({ kind: 'busy' })
  await kernel.prepare(file, 'exclusive')
  expect(kernel.request(file, 'exclusive', 'try').kind).toBe('granted')
})

describe('an unlock that fails', () => {
  async function release(...replies: (typeof FREED | Error)[]) {
    const at = world()
    const lease = await at.request('name')
    at.kernel.claim(lease)
    at.server.next(/^execute unlock_/, ...replies)
    at.kernel.release(lease)
    await at.cleaned('name')
    return at.server
  }

  test('is repeated, also when a request to cancel hits that', async () => {
    const server = await release(BROKEN, CANCELED, FREED)
    expect(server.count(/^execute unlock_/)).toBe(3)
    expect(server.connections[0]?.state).toBe('open')
  })

  test('and fails again ends the session, which frees the lock as well', async () => {
    const server = await release(BROKEN, BROKEN)
    expect(server.connections[0]?.state).toBe('destroyed')
  })
})

describe('a lock that is let go of and asked for again in one turn', () => {
  async function again(...replies: (readonly Row[] | Error)[]) {
    const at = world()
    const first = await at.request('name')
    at.kernel.claim(first)
    at.server.next(/^execute try_instead_/, ...replies)
    at.server.next(/^execute unlock_/, FREED, NOT_DONE, NOT_DONE, NOT_DONE) // after a failure: how far it came is not known
    at.kernel.release(first)
    const lease = await at.request('name')
    return { ...at, lease }
  }

  test('is asked for when the first is let go of, though that takes a second attempt', async () => {
    const { server, kernel, request } = world()
    const first = await request('name')
    kernel.claim(first)
    server.next(/^execute unlock_/, null, FREED)
    kernel.release(first)
    await settle()
    const lease = await request('name')
    server.asked(/^execute unlock_/).reject(BROKEN)
    await settle()
    const words = server.sent.slice(-3).map(({ text }) => /^execute ([a-z_]+)_/.exec(text)?.[1])
    expect(words).toEqual(['unlock_exclusive', 'unlock_exclusive', 'try_exclusive'])
    expect(kernel.claim(lease)).toEqual({ kind: 'granted', lease })
  })

  test('is let go of, and not asked for once more, when that fails', async () => {
    const { server, kernel, lease } = await again(BROKEN)
    const words = server.sent.slice(-5).map(({ text }) => /^execute ([a-z_]+)_/.exec(text)?.[1])
    const unlock = 'unlock_exclusive'
    expect(words).toEqual(['try_instead', unlock, unlock, 'unlock_shared', unlock])
    expect(() => kernel.claim(lease)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_DATABASE', cause: BROKEN }))
  })

  test('is asked for in a new session when the server says that it was not held', async () => {
    const { clock, server, kernel, lease } = await again([{ fence: 'not held' }])
    expect(server.connections.map(({ state }) => state)).toEqual(['destroyed'])
    clock.advance(50)
    await settle()
    expect(server.connections).toHaveLength(2)
    expect(kernel.claim(lease)).toEqual({ kind: 'granted', lease })
  })
})

describe('the sequence of fencing numbers', () => {
  test('may be made by somebody else at the same time', async () => {
    for (const code of ['42P07', '42710', '23505']) {
      const { server, kernel } = world()
      server.next(/from pg_sequence/, [])
      server.next(/^create sequence/, refusal(code))
      await kernel.holder()
      expect(server.count(/from pg_sequence/)).toBe(2)
    }
  })

  test('that cannot be made, or seen, or does not grow, is refused', async () => {
    const unmade = world()
    unmade.server.next(/from pg_sequence/, [])
    unmade.server.next(/^create sequence/, BROKEN)
    await expect(unmade.kernel.holder()).rejects.toMatchObject({ code: 'ERR_LOCK_DATABASE', cause: BROKEN })
    const unseen = world()
    unseen.server.next(/from pg_sequence/, [], [])
    await expect(unseen.kernel.holder()).rejects.toThrow('The sequence fence of fencing numbers cannot be seen')
    const falling = world()
    falling.server.next(/from pg_sequence/, [{ oid: '1', increment: '-1' }])
    await expect(falling.kernel.holder()).rejects.toThrow('The sequence fence of fencing numbers does not grow')
    for (const [flaw, text] of [
      [{ cycle: 'true' }, 'begins again at its end: alter sequence fence no cycle'],
      [{ cache: '32' }, 'gives each session numbers in advance: alter sequence fence cache 1'],
      [{ persistence: 'u' }, 'does not survive a crash of the server'],
      [{ usable: 'false' }, 'may not be used by this user: grant usage on sequence fence to'],
    ] as const) {
      const flawed = world()
      flawed.server.next(/from pg_sequence/, [{ ...GOOD_SEQUENCE, ...flaw }])
      await expect(flawed.kernel.holder()).rejects.toThrow(text)
    }
    for (const { server } of [unmade, unseen, falling]) expect(server.connections[0]?.state).toBe('destroyed')
  })
})

test('nothing of files is asked of a database', () => {
  const { kernel } = world()
  for (const ask of [kernel.look, kernel.looked, kernel.follow, kernel.read, kernel.write, kernel.probe]) {
    expect(ask).toThrow('a database keeps its locks in no files')
  }
})
