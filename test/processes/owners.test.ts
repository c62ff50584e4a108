// An owner enters what it holds, by any name of the file, and its end ends all it holds and waits for; owners in several
// threads exclude each other like any others.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdirSync, openSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import {
  acquire,
  acquireAll,
  holds,
  isLockError,
  Owner,
  releaseAll,
  tryAcquire,
  withLock,
  type Hold,
} from '../../src/index.js'
import { Agent, type RemoteHold } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { baseline, kernelTables, nobodyLeft, threadsOf } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { file } from '../helpers/target.js'
import { Thread } from '../helpers/thread.js'
import { until } from '../helpers/until.js'

const LANES = fileURLToPath(new URL('../fixtures/lanes.mjs', import.meta.url))

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: unknown) => error,
  )
}

/** Other names of one file: what they are called, and how to make one. */
const NAMES: [what: string, name: (path: string) => string | URL][] = [
  ['the same text', (path) => path],
  ['a file URL', (path) => pathToFileURL(path)],
  ['a relative path', (path) => relative(process.cwd(), path)],
  ['a detour', (path) => join(dirname(path), 'sub') + '/../' + 'file'],
  [
    'a symlinked folder',
    (path) => {
      const link = `${dirname(path)}-link`
      symlinkSync(dirname(path), link)
      return join(link, 'file')
    },
  ],
  [
    'a symlink to the file',
    (path) => {
      symlinkSync(path, `${path}-link`)
      return `${path}-link`
    },
  ],
  [
    'a symlink to the file, in another folder, that dangles',
    (path) => {
      const link = join(dirname(path), 'sub', 'link')
      symlinkSync('../file', link)
      return link
    },
  ],
  [
    'a hard link of the lock file',
    (path) => {
      linkSync(`${path}.hold`, `${path}2.hold`)
      return `${path}2`
    },
  ],
]

test.skipIf(missing(posix)).for(NAMES)(
  'an owner enters its hold through %s, and nobody else does',
  async ([, name]) => {
    const path = file()
    mkdirSync(join(dirname(path), 'sub'))
    const [owner, stranger] = [new Owner('lane'), new Owner('lane')]
    const outer = await acquire(path, { owner })
    const other = name(path)
    expect(tryAcquire(other)).toBeNull()
    expect(tryAcquire(other, { owner: stranger })).toBeNull()

    const entered = [
      await acquire(other, { owner }),
      await acquire(other, { owner, timeout: 0 }),
      tryAcquire(other, { owner }),
      (await acquireAll([other], { owner })).holds[0],
      await acquire(other, { owner, mode: 'shared' }),
    ]
    expect(entered.map((hold) => hold?.held)).toEqual([true, true, true, true, true])
    expect(new Set([outer, ...entered]).size).toBe(6)
    expect(holds()).toHaveLength(6)
    expect(owner.holds).toHaveLength(6)
    // It is one lock: whichever is released last frees it.
    outer.release()
    outer.release()
    for (const hold of entered) {
      expect(hold?.held).toBe(true)
      expect(tryAcquire(other)).toBeNull()
      expect(tryAcquire(path)).toBeNull()
      hold?.release()
    }
    expect(owner.holds).toEqual([])
    expect(tryAcquire(other)).not.toBeNull()
  },
)

test('another process gets the lock when the last handle of the owner ends, in whichever order they end', async () => {
  const path = file()
  const other = await Agent.start()
  const owner = new Owner('lane')
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const handles = [await acquire(path, { owner }), await acquire(path, { owner }), await acquire(path, { owner })]
    const waiting = other.acquire(path, { timeout: Infinity })
    await waiterBlocked(`${realpathSync(dirname(path))}/file.hold`, other.pid)
    for (const index of order) {
      await mustStayBlocked(waiting)
      handles[index]?.release()
    }
    await other.release(await waiting)
  }
})

test('an owner enters its hold although others wait, here and elsewhere', async () => {
  const path = file()
  const other = await Agent.start()
  const owner = new Owner('lane')
  const hold = await acquire(path, { owner })
  const here = acquire(path)
  const there = other.acquire(path, { timeout: Infinity })
  await waiterBlocked(hold.lockfile, other.pid)
  ;(await acquire(path, { owner })).release()
  await withLock(path, { owner }, (inner) => expect(inner.owner).toBe(owner))
  hold.release()
  ;(await here).release()
  await there
})

test('an acquire without an owner never enters, not even what the same code holds', async () => {
  const path = file()
  const hold = await acquire(path)
  expect(tryAcquire(path)).toBeNull()
  const error = await refusal(acquire(path, { timeout: 20 }))
  expect(isLockError(error, 'ERR_LOCK_TIMEOUT') && error.message).toContain('pass `owner`')
  // The owner that it got by itself does.
  expect(tryAcquire(path, { owner: hold.owner })?.held).toBe(true)
})

const ENDS: [how: string, make: () => { owner: Owner; end: () => void; cause: unknown }][] = [
  [
    'close(reason)',
    () => {
      const owner = new Owner('lane')
      return { owner, end: () => owner.close('enough'), cause: 'enough' }
    },
  ],
  [
    'close()',
    () => {
      const owner = new Owner('lane')
      return { owner, end: () => owner.close(), cause: undefined }
    },
  ],
  [
    'the end of its scope',
    () => {
      const owner = new Owner('lane')
      return { owner, end: () => owner[Symbol.dispose](), cause: undefined }
    },
  ],
  [
    'its signal',
    () => {
      const controller = new AbortController()
      const owner = new Owner('lane', { signal: controller.signal })
      const reason = new Error('the run is over')
      return { owner, end: () => controller.abort(reason), cause: reason }
    },
  ],
]

test.for(ENDS)('%s ends what an owner holds, rejects what it waits for and refuses the rest', async ([, make]) => {
  const folder = dirname(file())
  const path = (name: string) => join(folder, name)
  const { owner, end, cause } = make()
  const other = await Agent.start()
  const held = [
    await acquire(path('held'), { owner }),
    await acquire(path('held'), { owner }),
    await acquire(path('read'), { owner, mode: 'shared' }),
  ]
  const [first] = held
  const signals = held.map(({ signal }) => signal)
  const theirs = await other.acquire(path('elsewhere'))
  const mine = await acquire(path('here'))
  const waits = ['elsewhere', 'here', 'here'].map((name) => refusal(acquire(path(name), { owner, timeout: Infinity })))
  waits.push(refusal(acquireAll([path('free'), path('elsewhere')], { owner })))
  waits.push(refusal(withLock(path('elsewhere'), { owner }, () => 'never')))
  await waiterBlocked(theirs.lockfile, process.pid)
  const bystander = acquire(path('here'), { timeout: Infinity })

  end()
  expect(owner.closed).toBe(true)
  expect(held.map((hold) => hold.held)).toEqual([false, false, false])
  expect(owner.holds).toEqual([])
  for (const { aborted, reason } of signals) {
    expect(aborted).toBe(true)
    expect(reason).toMatchObject({ name: 'LockLostError', code: 'ERR_LOCK_LOST', reason: 'owner-closed' })
    expect((reason as Error).cause).toBe(cause)
  }
  const errors = await Promise.all(waits)
  const refused = [
    refusal(acquire(path('new'), { owner })),
    refusal(acquire(path('new'), { owner, timeout: 0 })),
    refusal(acquireAll([path('new')], { owner })),
    refusal(withLock(path('new'), { owner }, () => 'never')),
    refusal(Promise.resolve().then(() => tryAcquire(path('new'), { owner }))),
  ]
  errors.push(...(await Promise.all(refused)))
  expect(errors).toHaveLength(10)
  for (const error of errors) {
    expect(error).toMatchObject({ name: 'LockError', code: 'ERR_LOCK_OWNER_CLOSED' })
    expect((error as Error).cause).toBe(cause)
  }
  for (const name of ['held', 'read', 'free', 'new']) expect(await other.tryAcquire(path(name))).not.toBeNull()
  expect((await other.inspect(path('held'))).record).toMatchObject({ pid: other.pid })
  mine.release()
  expect((await bystander).held).toBe(true)
  first?.release()
  await other.release(theirs)
  expect(await other.tryAcquire(path('elsewhere'))).not.toBeNull()
})

test('the end of an owner is in the record, and the next holder is told', async () => {
  const path = file()
  const owner = new Owner('lane 7')
  await acquire(path, { owner, label: 'turn' })
  owner.close()
  const other = await Agent.start()
  const next = await other.tryAcquire(path)
  expect(next?.recoveredFrom).toMatchObject({
    state: 'revoked',
    reason: 'owner-closed',
    owner: 'lane 7',
    label: 'turn',
    pid: process.pid,
  })
})

test('`using` closes an owner, and `await using` waits for its guards', async () => {
  const path = file()
  const seen: Hold[] = []
  {
    using owner = new Owner('lane')
    seen.push(await acquire(path, { owner }))
  }
  expect(seen[0]?.held).toBe(false)
  let left = false
  {
    await using owner = new Owner('lane')
    const hold = await acquire(path, { owner })
    void hold.guard(() => new Promise<void>((resolve) => setImmediate(resolve))).then(() => (left = true))
  }
  expect(left).toBe(true)
  expect(tryAcquire(path)).not.toBeNull()
})

test.skipIf(missing(kernelTables))(
  'requests of an owner that was closed while another process held the lock are never granted, and leave one thread',
  async () => {
    const path = file()
    const [agent, holder, other] = await Promise.all([Agent.start(), Agent.start(), Agent.start()])
    const theirs = await holder.acquire(path)
    const rounds = 20
    // The watchdog, once started, stays.
    await agent.release(await agent.acquire(`${path}2`, { maxHold: 60_000 }))
    const before = await baseline(agent.pid)
    for (let round = 0; round < rounds; round++) {
      const name = `lane ${round}`
      await agent.ask('owner', name, name)
      await agent.ask('startAcquire', name, path, { timeout: Infinity }, name)
      if (round % 2 === 0) await waiterBlocked(theirs.lockfile, agent.pid)
      await agent.ask('closeOwner', name)
      await expect(agent.ask('waitFor', name)).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
      expect(threadsOf(agent.pid)).toBeLessThanOrEqual(before.threads + 1)
    }
    const waiting = other.acquire(path, { timeout: Infinity })
    await waiterBlocked(theirs.lockfile, other.pid)
    await holder.release(theirs)
    const next = await waiting
    expect(await agent.holds()).toEqual([])
    expect(await other.isHeld(next)).toBe(true)
    await other.release(next)
    await nobodyLeft(next.lockfile)
    await until('the threads are gone', () => threadsOf(agent.pid) === before.threads)
  },
)

test('the defaults of an owner count where an acquire names none', async () => {
  const path = file()
  const hold = await acquire(path)
  const owner = new Owner('lane', { timeout: 20 })
  expect(await refusal(acquire(path, { owner }))).toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  const patient = acquire(path, { owner, timeout: Infinity })
  await mustStayBlocked(patient)
  hold.release()
  expect((await patient).held).toBe(true)
  expect(await refusal(acquire(path, { owner: new Owner('at once', { timeout: 0 }) }))).toMatchObject({ waited: 0 })
})

const LIMITS: [owner: number | undefined, call: number | undefined, remaining: number | null][] = [
  [undefined, undefined, null],
  [60_000, undefined, 60_000],
  [undefined, 60_000, 60_000],
  [60_000, 90_000, 60_000],
  [90_000, 60_000, 60_000],
  [60_000, Infinity, 60_000],
  [Infinity, Infinity, null],
]

test.for(LIMITS)(
  'of a maxHold of %s of the owner and %s of the call, the smaller one counts: %s',
  ([mine, call, limit]) => {
    const owner = new Owner('lane', { maxHold: mine })
    tryAcquire(file(), { owner, maxHold: call })
    const remaining = owner.holds[0]?.remaining
    if (limit === null) {
      expect(remaining).toBeNull()
    } else {
      expect(remaining).toBeLessThanOrEqual(limit)
      expect(remaining).toBeGreaterThan(limit - 30_000)
    }
  },
)

test('the maxHold of an owner ends its hold', async () => {
  const path = file()
  const hold = await acquire(path, { owner: new Owner('lane', { maxHold: 30 }), maxHold: Infinity })
  const other = await Agent.start()
  const next = await other.acquire(path, { timeout: Infinity })
  expect(hold.held).toBe(false)
  expect(next.recoveredFrom).toMatchObject({ reason: 'max-hold', owner: 'lane' })
})

test('two owners in each of two workers and the main thread count to the end: no increment is lost', async () => {
  const path = file()
  writeFileSync(path, '0')
  const [owners, times] = [2, 60]
  const child = spawn(process.execPath, [LANES, path, String(owners), String(times)], { stdio: 'inherit' })
  onTestFinished(() => void child.kill('SIGKILL'))
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(readFileSync(path, 'utf8')).toBe(String(3 * owners * times))
})

test('the holds and the waits of a terminated worker vanish, those of its owners and in open guards as well', async () => {
  const [path, awaited] = [file(), file()]
  const other = await Agent.start()
  const theirs = await other.acquire(awaited)
  const thread = await Thread.start()
  await thread.ask('owner', 'lane', 'lane')
  const hold = await thread.ask<RemoteHold>('acquireAs', 'lane', path, { label: 'ended' })
  await thread.ask('acquireAs', 'lane', path)
  thread.tell('guardForEver', hold.key)
  thread.tell('startAcquire', 'wait', awaited, { timeout: Infinity }, 'lane')
  await waiterBlocked(theirs.lockfile, process.pid)
  const waiting = other.acquire(path, { timeout: Infinity })
  await waiterBlocked(hold.lockfile, other.pid)
  await thread.worker.terminate()
  // Nothing of its own says how it ended: for the next holder it is a death.
  expect((await waiting).recoveredFrom).toMatchObject({ state: 'held', label: 'ended', pid: process.pid })
  await other.release(theirs)
  const next = await other.acquire(awaited, { timeout: Infinity })
  expect(await other.isHeld(next)).toBe(true)
})

// Node waits for what libuv's pool has begun for a worker before it runs the hooks by which locks are freed.
test.skipIf(missing(posix))(
  'a lock of a terminated worker goes free only after the file operation that its guard had begun',
  async () => {
    const path = file()
    const fifo = join(dirname(path), 'fifo')
    execFileSync('mkfifo', [fifo])
    const other = await Agent.start()
    const thread = await Thread.start()
    const hold = await thread.acquire(path)
    await thread.ask('openInGuard', hold.key, fifo)
    const waiting = other.acquire(path, { timeout: Infinity })
    await waiterBlocked(hold.lockfile, other.pid)
    const ended = thread.worker.terminate()
    await mustStayBlocked(waiting)
    await mustStayBlocked(ended)
    openSync(fifo, 'r+')
    await ended
    await waiting
  },
)

test('a shared hold that enters an exclusive one without a record leaves it to the next exclusive one to take over', () => {
  const path = file()
  const lost = tryAcquire(path, { label: 'revoked' })
  releaseAll()
  expect(lost?.held).toBe(false)
  const before = readFileSync(`${path}.hold`, 'latin1')
  const owner = new Owner('lane')
  const outer = tryAcquire(path, { owner, record: false })
  const inner = tryAcquire(path, { owner, mode: 'shared' })
  expect(inner?.recoveredFrom?.label).toBe('revoked')
  inner?.release()
  outer?.release()
  expect(readFileSync(`${path}.hold`, 'latin1')).toBe(before)
  const next = tryAcquire(path)
  expect(next?.recoveredFrom?.label).toBe('revoked')
  next?.release()
})
