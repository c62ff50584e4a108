// While a guard is open the lock goes to nobody else, whatever ends the hold, and however long the guard takes.
import { existsSync } from 'node:fs'

import { expect, test } from 'vitest'

import {
  acquire,
  acquireAll,
  isLockError,
  Owner,
  releaseAll,
  tryAcquire,
  withLock,
  type Hold,
} from '../../src/index.js'
import { Agent, type RemoteHold } from '../helpers/agent.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { acquireAndLook, Marks, milliseconds, past, type Outcome } from '../helpers/lifetimes.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'

const GC = { execArgv: ['--expose-gc'] }
const COLLECTIONS = 20
const MAX_HOLD = 200
/** The kernel's limit is that of the hold, in whole milliseconds. */
const KERNEL_LATER = 2

/** Settles when it is told to. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => (open = resolve))
  return { open, passed }
}

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: unknown) => error,
  )
}

/** A hold of an owner in another process, with a limit, and a third process. */
async function guarded(): Promise<{ path: string; holder: Agent; hold: RemoteHold; other: Agent; marks: Marks }> {
  const path = file()
  const [holder, other] = await Promise.all([Agent.start(GC), Agent.start()])
  await holder.ask('owner', 'lane', 'lane')
  const hold = await holder.ask<RemoteHold>('acquireAs', 'lane', path, { maxHold: MAX_HOLD })
  return { path, holder, hold, other, marks: new Marks() }
}

const ENDINGS: [how: string, first: string[]][] = [
  ['its deadline', []],
  ['release()', ['release']],
  ['the end of its owner', ['close']],
  ['releaseAll()', ['releaseAll']],
  ['all of them at once', ['release', 'close', 'releaseAll', 'lose']],
]
const LOOPS = ['blocked', 'turning'] as const

test.for(ENDINGS.flatMap(([how, first]) => LOOPS.map((loop) => [how, loop, first] as const)))(
  'a guard keeps the lock of a hold that ended by %s until it ends, with an event loop that is %s',
  async ([, loop, first]) => {
    const { path, holder, hold, other, marks } = await guarded()
    const begun = process.hrtime.bigint()
    const options = { first, owner: 'lane', blocked: loop === 'blocked' }
    const outcome = holder.ask<Outcome>('guard', hold.key, marks.folder, options)
    await marks.inside()
    const waiting = acquireAndLook(other, path, marks.out)
    await waiterBlocked(hold.lockfile, other.pid)
    await past(begun + milliseconds(MAX_HOLD))
    await mustStayBlocked(waiting)
    marks.goOn()
    expect((await waiting).marked).toBe(true)
    expect(await outcome).toEqual({ value: 'done' })
  },
)

test('a guard that is open keeps its handle: collections end neither, and afterwards they end the hold', async () => {
  const path = file()
  const [holder, other] = await Promise.all([Agent.start(GC), Agent.start()])
  const marks = new Marks()
  const hold = await holder.acquire(path)
  await holder.ask('watch', 'holdfast:leak')
  const outcome = holder.ask<Outcome>('guard', hold.key, marks.folder)
  await marks.inside()
  await holder.ask('lose', hold.key)
  const waiting = acquireAndLook(other, path, marks.out)
  await holder.ask('collect', COLLECTIONS)
  expect(await holder.ask('lostHandlesLeft')).toBe(1)
  expect(await holder.holds()).toHaveLength(1)
  await mustStayBlocked(waiting)
  marks.goOn()
  await outcome
  await until('the handle is collected', async () => {
    await holder.ask('collect', 1)
    return (await holder.ask('lostHandlesLeft')) === 0
  })
  const next = await waiting
  expect(next.marked).toBe(true)
  expect(next.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'collected' })
  expect(await holder.ask('events', 'holdfast:leak')).toHaveLength(1)
})

test('a guard that never settles, and of which nobody knows any more, keeps the lock until its process ends', async () => {
  const path = file()
  const [holder, other] = await Promise.all([Agent.start(GC), Agent.start()])
  const hold = await holder.acquire(path)
  await holder.ask('guardForEver', hold.key)
  await holder.ask('lose', hold.key)
  const waiting = other.acquire(path, { timeout: Infinity })
  await holder.ask('collect', COLLECTIONS)
  expect(await holder.ask('lostHandlesLeft')).toBe(1)
  await mustStayBlocked(waiting)
  await holder.kill()
  expect((await waiting).recoveredFrom).toMatchObject({ state: 'held', pid: holder.pid })
})

test('nested guards, and guards side by side: the last one to end frees the lock', async () => {
  const path = file()
  const other = await Agent.start()
  const hold = await acquire(path)
  const gates = [gate(), gate(), gate()] as const
  const nested = hold.guard(async () => {
    const inner = hold.guard(() => gates[0].passed)
    await gates[1].passed
    return inner
  })
  const beside = hold.guard(() => gates[2].passed)
  const waiting = other.acquire(path, { timeout: Infinity })
  hold.release()
  await waiterBlocked(hold.lockfile, other.pid)
  for (const one of gates) {
    await mustStayBlocked(waiting)
    one.open()
  }
  await Promise.all([nested, beside])
  expect((await waiting).recoveredFrom).toBeNull()
})

test('inside a guard of a hold that has ended no other guard is entered', async () => {
  const hold = await acquire(file())
  let called = false
  const inside = () => hold.guard(() => void (called = true))
  const error = await hold.guard(() => {
    hold.release()
    return refusal(inside())
  })
  expect(error).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'released' })
  expect(called).toBe(false)
})

test('a guard past the deadline keeps the lock, and is reported again and again', async () => {
  const { path, holder, hold, other, marks } = await guarded()
  await holder.ask('watch', 'holdfast:overrun')
  await holder.ask('watch', 'holdfast:revoke')
  const outcome = holder.ask<Outcome>('guard', hold.key, marks.folder)
  await marks.inside()
  const waiting = acquireAndLook(other, path, marks.out)
  const reports = () => holder.ask<{ overdue: number }[]>('events', 'holdfast:overrun')
  await until('it is reported three times', async () => (await reports()).length >= 3)
  expect(await holder.isHeld(hold)).toBe(false)
  await mustStayBlocked(waiting)
  marks.goOn()
  expect((await waiting).marked).toBe(true)
  await outcome
  const all = await reports()
  for (const report of all) {
    expect(report).toMatchObject({ path, owner: 'lane', reason: 'max-hold', guards: 1 })
  }
  const overdue = all.map((report) => report.overdue)
  expect(overdue).toEqual([...overdue].sort((a, b) => a - b))
  expect(new Set(overdue).size).toBe(overdue.length)
  expect(await holder.ask('events', 'holdfast:revoke')).toMatchObject([{ reason: 'max-hold', guards: 1 }])
})

test('shared requests of the same thread wait for a guard that is past the deadline, and block nothing', async () => {
  const path = file()
  const [holder, other] = await Promise.all([Agent.start(), Agent.start()])
  const marks = new Marks()
  const hold = await holder.acquire(path, { mode: 'shared', maxHold: MAX_HOLD })
  const begun = process.hrtime.bigint()
  const outcome = holder.ask<Outcome>('guard', hold.key, marks.folder)
  await marks.inside()
  await past(begun + milliseconds(MAX_HOLD + KERNEL_LATER))
  await holder.ask('startAcquire', 'next', path, { mode: 'shared', timeout: Infinity })
  expect(await holder.tryAcquire(path, { mode: 'shared' })).toBeNull()
  expect(await holder.holds()).toEqual([])
  const next = holder.ask<RemoteHold>('waitFor', 'next')
  await mustStayBlocked(next)
  marks.goOn()
  await outcome
  expect(await holder.isHeld(await next)).toBe(true)
  expect(await other.tryAcquire(path)).toBeNull()
})

test('a shared request that cannot wait is refused at once while a guard is past the deadline', async () => {
  const path = file()
  const hold = await acquire(path, { mode: 'shared', maxHold: 20 })
  const begun = process.hrtime.bigint()
  const { open, passed } = gate()
  const guard = hold.guard(() => passed)
  await past(begun + milliseconds(20 + KERNEL_LATER))
  expect(tryAcquire(path, { mode: 'shared' })).toBeNull()
  expect(await refusal(acquire(path, { mode: 'shared', timeout: 0 }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  open()
  await guard
  expect(tryAcquire(path, { mode: 'shared' })?.held).toBe(true)
})

test('a guard that was left in time is not entered again past the deadline, though nobody freed the lock', async () => {
  const { holder, hold, marks } = await guarded()
  marks.goOn()
  expect(await holder.ask('guard', hold.key, marks.folder)).toEqual({ value: 'done' })
  await until('the deadline has passed', async () => !(await holder.isHeld(hold)))
  const late = new Marks()
  const refused = await holder.ask<Outcome>('guard', hold.key, late.folder)
  expect(refused.error).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
  expect(existsSync(late.out)).toBe(false)
})

test.for([
  ['rejects', () => Promise.reject(new Error('told to fail'))],
  [
    'throws',
    () => {
      throw new Error('told to fail')
    },
  ],
] as const)('a guard whose function %s passes the error on, and is left', async ([, fails]) => {
  const path = file()
  const other = await Agent.start()
  const hold = await acquire(path)
  expect(await refusal(hold.guard(fails))).toMatchObject({ message: 'told to fail' })
  expect(hold.held).toBe(true)
  expect(await other.tryAcquire(path)).toBeNull()
  hold.release()
  expect(await other.tryAcquire(path)).not.toBeNull()
})

test('a guard whose function fails after the hold was released frees the lock all the same', async () => {
  const { path, holder, hold, other, marks } = await guarded()
  const outcome = holder.ask<Outcome>('guard', hold.key, marks.folder, { first: ['release'], fails: true })
  await marks.inside()
  const waiting = acquireAndLook(other, path, marks.out)
  marks.goOn()
  expect((await waiting).marked).toBe(true)
  expect((await outcome).error?.message).toBe('told to fail')
})

test('a guard of a released hold is refused, and its function is not called', async () => {
  const hold = await acquire(file())
  hold.release()
  let called = false
  const error = await refusal(hold.guard(() => void (called = true)))
  expect(isLockError(error, 'ERR_LOCK_LOST') && error.reason).toBe('released')
  expect(called).toBe(false)
})

test('a guard answers what its function answers', async () => {
  const hold = await acquire(file())
  expect(await hold.guard(() => 1)).toBe(1)
  expect(await hold.guard(() => Promise.resolve('later'))).toBe('later')
})

test('release() does not wait for an open guard, and `await using` does', async () => {
  const path = file()
  const other = await Agent.start()
  const { open, passed } = gate()
  const order: string[] = []
  const scope = async () => {
    await using hold = await acquire(path)
    void hold.guard(() => passed).then(() => order.push('guard'))
    hold.release()
    order.push('released')
  }
  const left = scope().then(() => order.push('left'))
  await mustStayBlocked(left)
  const waiting = other.acquire(path, { timeout: Infinity })
  await mustStayBlocked(waiting)
  expect(order).toEqual(['released'])
  open()
  await left
  expect(order).toEqual(['released', 'guard', 'left'])
  await waiting
})

const SCOPES: [what: string, enter: (path: string) => Promise<[AsyncDisposable, Hold]>][] = [
  [
    'an owner',
    async (path) => {
      const owner = new Owner('lane')
      return [owner, await acquire(path, { owner })]
    },
  ],
  [
    'a set of holds',
    async (path) => {
      const set = await acquireAll([path, `${path}2`])
      const [hold] = set.holds
      if (hold === undefined) throw new Error('the set is empty')
      return [set, hold]
    },
  ],
]

test.for(SCOPES)('leaving the scope of %s waits for open guards', async ([, enter]) => {
  const { open, passed } = gate()
  const [scope, hold] = await enter(file())
  const guard = hold.guard(() => passed)
  const left = scope[Symbol.asyncDispose]()
  expect(hold.held).toBe(false)
  await mustStayBlocked(Promise.resolve(left))
  open()
  await guard
  await left
})

test('a guard of a set of holds keeps every one of its locks', async () => {
  const paths = [file(), file()]
  const other = await Agent.start()
  const set = await acquireAll(paths)
  const { open, passed } = gate()
  const guard = set.guard(() => passed)
  await Promise.resolve()
  releaseAll()
  const waiting = paths.map((path) => other.acquire(path, { timeout: Infinity }))
  for (const wait of waiting) await mustStayBlocked(wait)
  open()
  await guard
  await Promise.all(waiting)
})

test('withLock() whose guard is open when it is revoked waits for it, and then says that the lock was lost', async () => {
  const path = file()
  const other = await Agent.start()
  const waiting: Promise<RemoteHold>[] = []
  const result = withLock(path, {}, (hold) =>
    hold.guard(async () => {
      releaseAll('enough')
      const wait = other.acquire(path, { timeout: Infinity })
      waiting.push(wait)
      await mustStayBlocked(wait)
    }),
  )
  expect(await refusal(result)).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'released-all', cause: 'enough' })
  await Promise.all(waiting)
})
