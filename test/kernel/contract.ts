// What every implementation of the seam must do (src/kernel/kernel.ts), as plain functions: they run under the test
// runner on the native kernel and on the fake one, and by a bare script on systems where no test runner runs.
import assert from 'node:assert/strict'

import type { Answer, Kernel, Lease, LockTarget, Mode } from '../../src/kernel/kernel.js'

export interface ContractWorld {
  /** A kernel as another thread has it: kernels exclude each other. */
  open(): Kernel
  /** A lock that nobody has used. */
  target(): LockTarget
  /** A lock whose file cannot be made, because its folder is missing. */
  unreachable(): LockTarget
  /** Another name of the same lock file. */
  alias(file: LockTarget): LockTarget
  /** A symlink to `target`. Null where there are none. */
  readonly link: ((target: string) => string) | null
  /** A path of which nobody can tell whether it is a symlink. Null where there is none. */
  readonly untold: string | null
  /** Deletes the lock file. Null where an open file cannot be deleted. */
  readonly remove: ((file: LockTarget) => void) | null
  /** What is in the lock file, read by its path. */
  content(file: LockTarget): string
  overwrite(file: LockTarget, content: string): void
  exists(file: LockTarget): boolean
  /** Resolves when `condition` holds; lets events be delivered meanwhile. */
  until(condition: () => boolean): Promise<void>
  /** Blocks this thread until `condition` holds: no event is delivered meanwhile. */
  blockUntil(condition: () => boolean): void
}

export interface ContractCase {
  readonly title: string
  /** The case deletes a lock file that is open. */
  readonly removes?: true
  /** The case makes symlinks. */
  readonly links?: true
  /** The case relies on what a request finds at once: aside, the waiter's thread finds it later. */
  readonly atOnce?: true
  readonly run: (world: ContractWorld) => Promise<void> | void
}

function granted(answer: Answer): Lease {
  assert.equal(answer.kind, 'granted')
  assert.ok('lease' in answer)
  return answer.lease
}

function held(kernel: Kernel, file: LockTarget, mode: Mode = 'exclusive'): Lease {
  return granted(kernel.request(file, mode, 'try'))
}

function waiting(kernel: Kernel, file: LockTarget, mode: Mode = 'exclusive', how: 'wait' | 'try-then-wait' = 'wait') {
  const answer = kernel.request(file, mode, how)
  assert.equal(answer.kind, 'waiting')
  assert.ok('lease' in answer)
  return answer.lease
}

function free(kernel: Kernel, lease: Lease): void {
  kernel.release(lease, null, 0)
}

/** Leases the kernel was told of, in order. */
function settledBy(kernel: Kernel): Lease[] {
  const settled: Lease[] = []
  kernel.onSettled = (lease) => settled.push(lease)
  return settled
}

/** A look that has settled. */
async function looked(world: ContractWorld, kernel: Kernel, target: string): Promise<Lease> {
  const settled = settledBy(kernel)
  const answer = kernel.look(target)
  assert.ok(answer.kind === 'waiting')
  await world.until(() => settled.includes(answer.lease))
  return answer.lease
}

function isFree(kernel: Kernel, file: LockTarget): boolean {
  const answer = kernel.request(file, 'exclusive', 'try')
  if (answer.kind !== 'granted') return false
  free(kernel, answer.lease)
  return true
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

export const contract: readonly ContractCase[] = [
  {
    title: 'an exclusive lock excludes both modes of another kernel, until it is released',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      assert.equal(theirs.request(file, 'exclusive', 'try').kind, 'busy')
      assert.equal(theirs.request(file, 'shared', 'try').kind, 'busy')
      free(ours, lease)
      free(theirs, held(theirs, file))
    },
  },
  {
    title: 'shared locks share, and exclude exclusive ones until the last is released',
    run(world) {
      const [a, b, c, file] = [world.open(), world.open(), world.open(), world.target()]
      const [first, second] = [held(a, file, 'shared'), held(b, file, 'shared')]
      assert.equal(c.request(file, 'exclusive', 'try').kind, 'busy')
      free(a, first)
      assert.equal(c.request(file, 'exclusive', 'try').kind, 'busy')
      free(b, second)
      assert.ok(isFree(c, file))
    },
  },
  {
    title: 'releasing twice, or a lease of another kernel, releases nothing else',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const first = held(ours, file)
      free(ours, first)
      const second = held(ours, file)
      free(ours, first)
      free(theirs, second)
      assert.ok(!isFree(theirs, file))
      free(ours, second)
      assert.ok(isFree(theirs, file))
    },
  },
  {
    title: 'a wait holds nothing until the holder releases; then it is told, and claimed once',
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const theirLease = held(theirs, file)
      const lease = waiting(ours, file, 'exclusive', 'try-then-wait')
      assert.deepEqual(ours.claim(lease, file.lockfile), { kind: 'waiting' })
      free(theirs, theirLease)
      await world.until(() => settled.length > 0)
      assert.deepEqual(settled, [lease])
      assert.deepEqual(ours.claim(lease, file.lockfile), { kind: 'granted', lease })
      assert.ok(!isFree(theirs, file))
      free(ours, lease)
      assert.ok(isFree(theirs, file))
    },
  },
  {
    title: 'a wait for a free lock is granted by itself',
    async run(world) {
      const [ours, file] = [world.open(), world.target()]
      const settled = settledBy(ours)
      const lease = waiting(ours, file)
      await world.until(() => settled.includes(lease))
      assert.equal(ours.claim(lease, file.lockfile).kind, 'granted')
      free(ours, lease)
    },
  },
  {
    title: 'a dropped wait is never told and never keeps the lock',
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const theirLease = held(theirs, file)
      const lease = waiting(ours, file)
      ours.drop(lease)
      ours.drop(lease)
      free(theirs, theirLease)
      await world.until(() => isFree(theirs, file))
      assert.deepEqual(settled, [])
    },
  },
  {
    title: 'a wait that is dropped after the kernel granted it frees the lock',
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const lease = waiting(ours, file)
      await world.until(() => settled.length > 0)
      assert.ok(!isFree(theirs, file))
      ours.drop(lease)
      assert.ok(isFree(theirs, file))
    },
  },
  {
    title: 'a new wait adopts the one that was dropped',
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const theirLease = held(theirs, file)
      const dropped = waiting(ours, file)
      ours.drop(dropped)
      assert.equal(waiting(ours, file, 'exclusive', 'try-then-wait'), dropped)
      free(theirs, theirLease)
      await world.until(() => settled.length > 0)
      assert.deepEqual(settled, [dropped])
      assert.equal(ours.claim(dropped, file.lockfile).kind, 'granted')
      free(ours, dropped)
    },
  },
  {
    title: 'a shared request that can join readers does so, although a shared wait was dropped behind a writer',
    atOnce: true,
    async run(world) {
      const [ours, writer, reader, file] = [world.open(), world.open(), world.open(), world.target()]
      const writing = held(writer, file)
      const dropped = waiting(ours, file, 'shared')
      ours.drop(dropped)
      free(writer, writing)
      await world.until(() => isFree(writer, file))
      const reading = held(reader, file, 'shared')
      free(ours, granted(ours.request(file, 'shared', 'try-then-wait')))
      free(reader, reading)
    },
  },
  {
    title: 'a file that this kernel holds or waits for is known, under any name',
    atOnce: true,
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const lease = held(ours, file)
      const other = world.alias(file)
      assert.deepEqual(ours.request(other, 'exclusive', 'try-then-wait'), { kind: 'known', lease })
      assert.deepEqual(ours.request(file, 'shared', 'try'), { kind: 'known', lease })
      free(ours, lease)
      const theirLease = held(theirs, other)
      const wait = waiting(ours, file)
      assert.deepEqual(ours.request(other, 'shared', 'try'), { kind: 'known', lease: wait })
      free(theirs, theirLease)
      await world.until(() => settled.length > 0)
      ours.drop(wait)
    },
  },
  {
    title: 'a last try takes a free lock although this kernel waits for it, and is refused a held one',
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const theirLease = held(theirs, file)
      const wait = waiting(ours, file)
      assert.equal(ours.request(file, 'exclusive', 'last-try').kind, 'busy')
      ours.drop(wait)
      free(theirs, theirLease)
      await world.until(() => isFree(theirs, file))
      free(ours, granted(ours.request(file, 'exclusive', 'last-try')))
      assert.deepEqual(settled, [])
    },
  },
  {
    title: 'waits of several kernels are all granted, one at a time',
    async run(world) {
      const [holder, file] = [world.open(), world.target()]
      const holding = held(holder, file)
      const kernels = [world.open(), world.open(), world.open()]
      const waits = kernels.map((kernel) => {
        const settled = settledBy(kernel)
        return { kernel, settled, lease: waiting(kernel, file) }
      })
      free(holder, holding)
      for (let served = 0; served < waits.length; served++) {
        await world.until(() => waits.some(({ settled }) => settled.length > 0))
        const told = waits.filter(({ settled }) => settled.length > 0)
        assert.equal(told.length, 1)
        for (const { kernel, settled, lease } of told) {
          assert.equal(kernel.claim(lease, file.lockfile).kind, 'granted')
          settled.length = 0
          free(kernel, lease)
        }
      }
    },
  },
  {
    title: 'shared waits of several kernels are granted together',
    async run(world) {
      const [writer, a, b, file] = [world.open(), world.open(), world.open(), world.target()]
      const [toldA, toldB] = [settledBy(a), settledBy(b)]
      const writing = held(writer, file)
      const [waitA, waitB] = [waiting(a, file, 'shared'), waiting(b, file, 'shared')]
      free(writer, writing)
      await world.until(() => toldA.length > 0 && toldB.length > 0)
      a.drop(waitA)
      b.drop(waitB)
      assert.ok(isFree(writer, file))
    },
  },
  {
    title: 'a granted wait whose path names another file by then is replaced, and holds nothing',
    atOnce: true,
    removes: true,
    async run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const settled = settledBy(ours)
      const theirLease = held(theirs, file)
      const other = world.alias(file)
      const lease = waiting(ours, file)
      world.remove?.(file)
      free(theirs, held(theirs, file))
      free(theirs, theirLease)
      await world.until(() => settled.length > 0)
      assert.deepEqual(ours.claim(lease, file.lockfile), { kind: 'replaced' })
      assert.ok(isFree(theirs, other))
    },
  },
  {
    title: 'a lease names its path until the file is deleted or replaced',
    removes: true,
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      assert.equal(ours.names(lease, file.lockfile), true)
      assert.equal(ours.names(lease, world.alias(file).lockfile), true)
      world.remove?.(file)
      assert.equal(ours.names(lease, file.lockfile), false)
      free(theirs, held(theirs, file))
      assert.equal(ours.names(lease, file.lockfile), false)
      free(ours, lease)
    },
  },
  {
    title: 'a request makes the lock file, a probe does not',
    run(world) {
      const [ours, file] = [world.open(), world.target()]
      assert.deepEqual(ours.probe(file), { state: 'absent', content: null })
      assert.equal(world.exists(file), false)
      free(ours, held(ours, file))
      assert.equal(world.exists(file), true)
      assert.deepEqual(ours.probe(file), { state: 'free', content: '' })
    },
  },
  {
    title: 'a probe tells a held lock from a free one, and leaves no trace',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      assert.equal(theirs.probe(file).state, 'held')
      assert.equal(ours.probe(file).state, 'held')
      free(ours, lease)
      assert.equal(theirs.probe(file).state, 'free')
      assert.ok(isFree(ours, file))
      const sharing = held(ours, file, 'shared')
      assert.equal(theirs.probe(file).state, 'free')
      assert.ok(!isFree(theirs, file))
      free(ours, sharing)
    },
  },
  {
    title: 'what is written under the lock can be read by everybody while it is held',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      const buffer = new Uint8Array(8)
      assert.equal(ours.read(lease, buffer), 0)
      assert.equal(ours.write(lease, bytes('0123456789')), true)
      assert.equal(ours.read(lease, buffer), 8)
      assert.equal(Buffer.from(buffer).toString('latin1'), '01234567')
      assert.equal(theirs.probe(file).content, '0123456789')
      assert.equal(world.content(file), '0123456789')
      free(ours, lease)
    },
  },
  {
    title: 'a release stamps behind the prefix, and nothing where the prefix is gone',
    run(world) {
      const [ours, file] = [world.open(), world.target()]
      const first = held(ours, file)
      ours.write(first, bytes('magic:held of us'))
      ours.release(first, bytes('magic:free'), 6)
      assert.equal(world.content(file), 'magic:free of us')
      const second = held(ours, file)
      world.overwrite(file, 'somebody else put this here')
      ours.release(second, bytes('magic:free'), 6)
      assert.equal(world.content(file), 'somebody else put this here')
      const third = held(ours, file)
      ours.release(third, null, 8)
      assert.equal(world.content(file), 'somebody else put this here')
    },
  },
  {
    title: 'a lease past its limit is freed although this thread is blocked, and its ending is stamped',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      ours.write(lease, bytes('magic:held of us'))
      assert.equal(ours.limit(lease, 20, bytes('magic:lost'), 6), 'limited')
      world.blockUntil(() => isFree(theirs, file))
      assert.equal(world.content(file), 'magic:lost of us')
      assert.equal(ours.limit(lease, 1000, null, 0), 'ended')
      assert.equal(ours.enterGuard(lease), false)
      assert.equal(ours.names(lease, file.lockfile), false)
      assert.equal(ours.write(lease, bytes('too late')), false)
      const next = held(theirs, file)
      ours.exitGuard(lease)
      free(ours, lease)
      assert.ok(!isFree(ours, file))
      free(theirs, next)
    },
  },
  {
    title: 'guards keep a lease past its limit, none is entered then, and it goes with the last',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const lease = held(ours, file)
      assert.ok(ours.enterGuard(lease) && ours.enterGuard(lease))
      assert.equal(ours.limit(lease, 20, null, 0), 'limited')
      world.blockUntil(() => {
        if (!ours.enterGuard(lease)) return true
        ours.exitGuard(lease)
        return false
      })
      assert.ok(!isFree(theirs, file))
      ours.exitGuard(lease)
      assert.ok(!isFree(theirs, file))
      ours.exitGuard(lease)
      world.blockUntil(() => isFree(theirs, file))
    },
  },
  {
    title: 'a limit can be put off and lifted; a release frees although a guard is open',
    run(world) {
      const [ours, theirs, file] = [world.open(), world.open(), world.target()]
      const [lifted, later, sooner] = [held(ours, file), world.target(), world.target()]
      ours.limit(lifted, 20, null, 0)
      assert.equal(ours.limit(lifted, Infinity, null, 0), 'limited')
      const postponed = held(ours, later)
      ours.limit(postponed, 20, null, 0)
      assert.equal(ours.limit(postponed, 1e15, null, 0), 'limited')
      ours.limit(held(ours, sooner), 40, null, 0)
      world.blockUntil(() => isFree(theirs, sooner)) // by now the first limits would have been seen
      assert.ok(!isFree(theirs, file) && !isFree(theirs, later))
      assert.ok(ours.enterGuard(lifted))
      free(ours, lifted)
      free(ours, postponed)
      assert.ok(isFree(theirs, file) && isFree(theirs, later))
    },
  },
  {
    title: 'a granted wait that is not claimed in time is freed, and replaced when it is claimed',
    async run(world) {
      const [ours, theirs] = [world.open(), world.open()]
      for (const [grace, rest] of [
        [20, Infinity],
        [Infinity, 20],
      ] as const) {
        const file = world.target()
        const settled = settledBy(ours)
        const first = held(theirs, file)
        const lease = waiting(ours, file)
        ours.limitWait(lease, grace, rest)
        free(theirs, first)
        await world.until(() => settled.includes(lease))
        world.blockUntil(() => isFree(theirs, file))
        assert.equal(ours.claim(lease, file.lockfile).kind, 'replaced')
      }
    },
  },
  {
    title: 'a granted wait that is claimed in time is without limit',
    async run(world) {
      const [ours, theirs, file, other] = [world.open(), world.open(), world.target(), world.target()]
      const settled = settledBy(ours)
      const first = held(theirs, file)
      const lease = waiting(ours, file)
      ours.limitWait(lease, 5000, 5000)
      free(theirs, first)
      await world.until(() => settled.includes(lease))
      assert.equal(ours.claim(lease, file.lockfile).kind, 'granted')
      ours.limit(held(ours, other), 20, null, 0)
      world.blockUntil(() => isFree(theirs, other))
      assert.ok(!isFree(theirs, file))
      assert.ok(ours.enterGuard(lease))
      free(ours, lease)
    },
  },
  {
    title: 'all names of one file have one identity, other files have others',
    run(world) {
      const [ours, file, other] = [world.open(), world.target(), world.target()]
      const identity = ours.identify(file)
      assert.equal(ours.identify(file), identity)
      assert.equal(ours.identify(world.alias(file)), identity)
      assert.notEqual(ours.identify(other), identity)
      assert.ok(isFree(ours, file))
    },
  },
  {
    title: 'a look tells where a link leads, or that there is none, and has ended then',
    links: true,
    async run(world) {
      const [ours, { target }] = [world.open(), world.target()]
      assert.ok(world.link !== null)
      const link = world.link(target)
      const [ofLink, ofFile] = [await looked(world, ours, link), await looked(world, ours, target)]
      assert.equal(ours.looked(ofLink, link), target)
      assert.equal(ours.looked(ofFile, target), null)
      assert.equal(ours.looked(ofLink, link), null)
    },
  },
  {
    title: 'a look that cannot find out whether it is a link throws, and has ended then',
    links: true,
    async run(world) {
      const [ours, path] = [world.open(), world.untold]
      assert.ok(path !== null)
      const lease = await looked(world, ours, path)
      assert.throws(
        () => ours.looked(lease, path),
        (error: NodeJS.ErrnoException) => error.syscall === 'readlink' && error.path === path,
      )
      assert.equal(ours.looked(lease, path), null)
    },
  },
  {
    title: 'a failure is an error with code, errno, syscall and path',
    run(world) {
      const [ours, file] = [world.open(), world.unreachable()]
      for (const fail of [() => ours.request(file, 'exclusive', 'try'), () => ours.identify(file)]) {
        assert.throws(fail, (error: NodeJS.ErrnoException) => {
          assert.equal(error.code, 'ENOENT')
          assert.equal(typeof error.errno, 'number')
          assert.equal(typeof error.syscall, 'string')
          assert.equal(error.path, file.lockfile)
          return true
        })
      }
      assert.equal(ours.probe(file).state, 'absent')
    },
  },
]
