// At most one exclusive hold, or any number of shared holds, of one file: whoever holds it, and whatever name it has.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

import { describe, expect, onTestFinished, test } from 'vitest'

import { acquire, tryAcquire, withLock, type Hold } from '../../src/index.js'
import { Agent, type RemoteHold } from '../helpers/agent.js'
import { missing, type Capability } from '../helpers/capabilities.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { secondCopy } from '../helpers/second-copy.js'
import { Thread } from '../helpers/thread.js'

const INCREMENT = fileURLToPath(new URL('../fixtures/increment.mjs', import.meta.url))
const FOR_EVER = { timeout: Infinity }

/** Anyone who can hold a lock: this thread, another thread, another process, another copy of the package. */
interface Party {
  acquire(path: string, options?: { mode?: Mode; timeout?: number }): Promise<Hold | RemoteHold>
  tryAcquire(path: string, options?: { mode?: Mode }): Promise<Hold | RemoteHold | null>
  release(hold: Hold | RemoteHold): Promise<void>
}

type Mode = 'exclusive' | 'shared'
type Functions = Pick<typeof import('../../src/index.js'), 'acquire' | 'tryAcquire'>

function local(functions: Functions): Party {
  return {
    acquire: (path, options) => functions.acquire(path, options),
    tryAcquire: (path, options) => Promise.resolve(functions.tryAcquire(path, options)),
    release: (hold) => {
      ;(hold as Hold).release()
      return Promise.resolve()
    },
  }
}

function remote(there: Agent | Thread): Party {
  return {
    acquire: (path, options) => there.acquire(path, options),
    tryAcquire: (path, options) => there.tryAcquire(path, options),
    release: (hold) => there.release(hold as RemoteHold),
  }
}

const here = (): Party => local({ acquire, tryAcquire })
const process_ = async (): Promise<Party> => remote(await Agent.start())
const thread = async (): Promise<Party> => remote(await Thread.start())
const copy = async (): Promise<Party> => local(await secondCopy())

type Start = () => Party | Promise<Party>

const PAIRS: [who: string, one: Start, other: Start][] = [
  ['two processes', process_, process_],
  ['this process and another', here, process_],
  ['two worker threads', thread, thread],
  ['the main thread and a worker', here, thread],
  ['a worker and the main thread', thread, here],
  ['two copies of the package in one process', here, copy],
  ['two handles of one thread', here, here],
]

const MATRIX: [held: Mode, asked: Mode, together: boolean][] = [
  ['exclusive', 'exclusive', false],
  ['exclusive', 'shared', false],
  ['shared', 'exclusive', false],
  ['shared', 'shared', true],
]

describe.each(PAIRS)('between %s', (_who, startOne, startOther) => {
  test.each(MATRIX)('a lock held %s and asked for %s is granted to both: %s', async (held, asked, together) => {
    const path = join(scratch(), 'data')
    const [one, other] = await Promise.all([startOne(), startOther()])
    const hold = await one.acquire(path, { mode: held })
    const tried = await other.tryAcquire(path, { mode: asked })
    expect(tried !== null).toBe(together)
    if (tried !== null) await other.release(tried)

    await one.release(hold)
    const free = await other.tryAcquire(path, { mode: asked })
    expect(free).not.toBeNull()
    if (free !== null) await other.release(free)
  })

  test('a waiter is granted at the release and not before', async () => {
    const path = join(scratch(), 'data')
    const [one, other] = await Promise.all([startOne(), startOther()])
    const hold = await one.acquire(path)
    const waiting = other.acquire(path, FOR_EVER)
    await mustStayBlocked(waiting)

    await one.release(hold)
    const granted = await waiting
    expect(await one.tryAcquire(path)).toBeNull()
    await other.release(granted)
  })
})

test('an exclusive waiter is granted when the last of the shared holders lets go', async () => {
  const path = join(scratch(), 'data')
  const [one, two, writer] = await Promise.all([Agent.start(), Agent.start(), Agent.start()])
  const first = await one.acquire(path, { mode: 'shared' })
  const second = await two.acquire(path, { mode: 'shared' })
  const waiting = writer.acquire(path, FOR_EVER)
  await waiterBlocked(first.lockfile, writer.pid)

  await one.release(first)
  await mustStayBlocked(waiting)
  await two.release(second)
  expect((await waiting).mode).toBe('exclusive')
})

test('no increment is lost between lanes of processes, worker threads, two copies and the main thread', async () => {
  const file = join(scratch(), 'number')
  writeFileSync(file, '0')
  const [lanes, times] = [3, 15]
  const args = [file, String(lanes), String(times)]
  const ends: Promise<unknown[]>[] = []
  for (let number = 0; number < 2; number++) {
    const child = fork(INCREMENT, args)
    onTestFinished(() => void child.kill('SIGKILL'))
    const worker = new Worker(INCREMENT, { argv: args })
    onTestFinished(() => worker.terminate().then(() => {}))
    ends.push(once(child, 'exit'), once(worker, 'exit'))
  }
  const copies = [withLock, (await secondCopy()).withLock]
  const local = copies.flatMap((lock) => Array.from({ length: lanes }, () => increment(lock)))
  async function increment(lock: typeof withLock): Promise<void> {
    for (let time = 0; time < times; time++) {
      await lock(file, async () => {
        const number = Number(readFileSync(file, 'utf8'))
        // Others run here, if anything lets them.
        await new Promise(setImmediate)
        writeFileSync(file, String(number + 1))
      })
    }
  }

  await Promise.all(local)
  for (const [code] of await Promise.all(ends)) expect(code).toBe(0)
  expect(readFileSync(file, 'utf8')).toBe(String(6 * lanes * times))
})

test('release() of a hold that ended does not end the next one', async () => {
  const path = join(scratch(), 'data')
  const agent = await Agent.start()
  const first = await acquire(path)
  const waiting = acquire(path)
  first.release()
  const second = await waiting

  first.release()
  first[Symbol.dispose]()
  await first[Symbol.asyncDispose]()
  expect(second.held).toBe(true)
  expect(await agent.tryAcquire(path)).toBeNull()
  second.release()
  expect(await agent.tryAcquire(path)).not.toBeNull()
})

test('locks of different files do not exclude each other', async () => {
  const folder = scratch()
  const agent = await Agent.start()
  const hold = await acquire(join(folder, 'a'))
  expect(await agent.tryAcquire(join(folder, 'b'))).not.toBeNull()
  expect(tryAcquire(join(folder, 'c'))).not.toBeNull()
  hold.release()
})

/** One lock under a usual and an unusual name. */
interface Names {
  usual: Name
  unusual: Name
}
interface Name {
  path: string | URL
  lockfile?: string
}

const dataIn = (folder: string): string => {
  writeFileSync(join(folder, 'data'), 'content')
  return join(folder, 'data')
}

const links: Capability = { name: 'symbolic links', there: canLink() }
const caseless: Capability = { name: 'a filesystem that ignores case', there: ignoresCase() }

const NAMES: [name: string, make: (folder: string) => Names, ...needs: Capability[]][] = [
  [
    'a symlink to the target',
    (folder) => {
      const data = dataIn(folder)
      symlinkSync(data, join(folder, 'link'))
      return { usual: { path: data }, unusual: { path: join(folder, 'link') } }
    },
    links,
  ],
  [
    'a chain of relative symlinks to the target',
    (folder) => {
      const data = dataIn(folder)
      mkdirSync(join(folder, 'a'))
      symlinkSync('../data', join(folder, 'a', 'one'))
      symlinkSync(join('a', 'one'), join(folder, 'two'))
      return { usual: { path: data }, unusual: { path: join(folder, 'two') } }
    },
    links,
  ],
  [
    'a dangling symlink to where the target will be',
    (folder) => {
      symlinkSync('missing', join(folder, 'link'))
      return { usual: { path: join(folder, 'missing') }, unusual: { path: join(folder, 'link') } }
    },
    links,
  ],
  [
    'a symlinked directory',
    (folder) => {
      mkdirSync(join(folder, 'real'))
      symlinkSync(join(folder, 'real'), join(folder, 'alias'), 'junction')
      return { usual: { path: dataIn(join(folder, 'real')) }, unusual: { path: join(folder, 'alias', 'data') } }
    },
    links,
  ],
  [
    'a symlink that points upwards, in a symlinked directory',
    (folder) => {
      // The system follows `..` from where the directory really is.
      mkdirSync(join(folder, 'deep', 'real'), { recursive: true })
      symlinkSync('../data', join(folder, 'deep', 'real', 'link'))
      symlinkSync(join(folder, 'deep', 'real'), join(folder, 'alias'), 'junction')
      return { usual: { path: dataIn(join(folder, 'deep')) }, unusual: { path: join(folder, 'alias', 'link') } }
    },
    links,
  ],
  [
    'a relative path',
    (folder) => {
      const data = dataIn(folder)
      return { usual: { path: data }, unusual: { path: relative(process.cwd(), data) } }
    },
  ],
  [
    'a path with `.`, `..` and doubled slashes',
    (folder) => {
      mkdirSync(join(folder, 'sub'))
      return { usual: { path: dataIn(folder) }, unusual: { path: `${folder}/sub/.././/data` } }
    },
  ],
  ['a file URL', (folder) => ({ usual: { path: dataIn(folder) }, unusual: { path: pathToFileURL(dataIn(folder)) } })],
  [
    'a file URL of a name with spaces, percent signs and letters beyond ASCII',
    (folder) => {
      const path = join(folder, 'a b%20c#d?é')
      return { usual: { path }, unusual: { path: pathToFileURL(path) } }
    },
  ],
  [
    'a hard link of the lock file',
    (folder) => {
      const data = dataIn(folder)
      const lockfile = join(folder, 'a.lock')
      writeFileSync(lockfile, '')
      linkSync(lockfile, join(folder, 'b.lock'))
      return { usual: { path: data, lockfile }, unusual: { path: data, lockfile: join(folder, 'b.lock') } }
    },
  ],
  [
    'the `lockfile` option with the usual name',
    (folder) => {
      const data = dataIn(folder)
      return { usual: { path: data }, unusual: { path: join(folder, 'unrelated'), lockfile: `${data}.hold` } }
    },
  ],
  [
    'a relative `lockfile` option',
    (folder) => {
      const data = dataIn(folder)
      const lockfile = relative(process.cwd(), `${data}.hold`)
      return { usual: { path: data }, unusual: { path: data, lockfile } }
    },
  ],
  [
    'a name in another case',
    (folder) => ({ usual: { path: dataIn(folder) }, unusual: { path: join(folder, 'DATA') } }),
    caseless,
  ],
]

describe.each(NAMES)('%s', (_name, make, ...needs) => {
  const skipped = missing(...needs)

  const attempt = ({ path, lockfile }: Name): Hold | null => tryAcquire(path, options(lockfile))
  const wait = ({ path, lockfile }: Name): Promise<Hold> => acquire(path, { ...options(lockfile), ...FOR_EVER })
  const options = (lockfile?: string) => (lockfile === undefined ? {} : { lockfile })

  test.skipIf(skipped)('is the same lock for another process', async () => {
    const { usual, unusual } = make(scratch())
    const agent = await Agent.start()
    const there = await agent.acquire(String(usual.path), options(usual.lockfile))
    expect(attempt(unusual)).toBeNull()

    await agent.release(there)
    const hold = attempt(unusual)
    expect(hold).not.toBeNull()
    expect(await agent.tryAcquire(String(usual.path), options(usual.lockfile))).toBeNull()
    hold?.release()
  })

  test.skipIf(skipped)('is the same lock in one thread', async () => {
    const { usual, unusual } = make(scratch())
    for (const [one, other] of [
      [usual, unusual],
      [unusual, usual],
    ] as const) {
      const hold = attempt(one)
      expect(hold).not.toBeNull()
      expect(attempt(other)).toBeNull()
      const waiting = wait(other)
      await mustStayBlocked(waiting)
      hold?.release()
      const granted = await waiting
      expect(attempt(one)).toBeNull()
      granted.release()
    }
  })

  test.skipIf(skipped)('queues in one line with the usual name, while another process holds', async () => {
    const { usual, unusual } = make(scratch())
    const agent = await Agent.start()
    const there = await agent.acquire(String(usual.path), options(usual.lockfile))
    const order: number[] = []
    const waiting = [usual, unusual, usual, unusual].map(async (name, place) => {
      const hold = await wait(name)
      order.push(place)
      hold.release()
    })
    await waiterBlocked(there.lockfile, process.pid)
    const barged = attempt(unusual)

    await agent.release(there)
    await Promise.all(waiting)
    expect(order).toEqual([0, 1, 2, 3])
    expect(barged).toBeNull()
  })

  test.skipIf(skipped)('queues in one line with the usual name, while this thread holds', async () => {
    const { usual, unusual } = make(scratch())
    const first = attempt(unusual)
    const order: number[] = []
    const waiting = [usual, unusual, usual, unusual].map(async (name, place) => {
      const hold = await wait(name)
      order.push(place)
      hold.release()
    })
    await mustStayBlocked(Promise.race(waiting))

    first?.release()
    await Promise.all(waiting)
    expect(order).toEqual([0, 1, 2, 3])
  })
})

test.skipIf(missing(links))('`..` behind a symlinked directory means what it means to the system', async () => {
  const folder = scratch()
  mkdirSync(join(folder, 'deep', 'real'), { recursive: true })
  symlinkSync(join(folder, 'deep', 'real'), join(folder, 'alias'), 'junction')
  dataIn(folder)
  dataIn(join(folder, 'deep'))
  const unusual = `${folder}/alias/../data`
  const agent = await Agent.start()
  await agent.acquire(realpathSync.native(unusual))
  expect(tryAcquire(unusual)).toBeNull()
})

describe('process.chdir()', () => {
  function inFolder(folder: string): void {
    const before = process.cwd()
    onTestFinished(() => process.chdir(before))
    process.chdir(folder)
  }

  test('changes neither the paths of a hold nor what it locks', async () => {
    const [folder, elsewhere] = [scratch(), scratch()]
    const agent = await Agent.start()
    inFolder(folder)
    const hold = await acquire('data')
    process.chdir(elsewhere)

    expect(hold.path).toBe(join(folder, 'data'))
    expect(hold.lockfile).toBe(join(folder, 'data.hold'))
    hold.assertHeld()
    expect(await agent.tryAcquire(join(folder, 'data'))).toBeNull()
    expect(tryAcquire(join(folder, 'data'))).toBeNull()
    hold.release()
    expect(await agent.tryAcquire(join(folder, 'data'))).not.toBeNull()
  })

  test('changes nothing for a waiter', async () => {
    const [folder, elsewhere] = [scratch(), scratch()]
    const agent = await Agent.start()
    const there = await agent.acquire(join(folder, 'data'))
    inFolder(folder)
    const waiting = acquire('data', FOR_EVER)
    await waiterBlocked(there.lockfile, process.pid)
    process.chdir(elsewhere)

    await agent.release(there)
    const hold = await waiting
    expect(hold.path).toBe(join(folder, 'data'))
    hold.assertHeld()
    expect(await agent.tryAcquire(join(folder, 'data'))).toBeNull()
    hold.release()
  })

  test('makes the same relative path another lock', async () => {
    const [folder, elsewhere] = [scratch(), scratch()]
    inFolder(folder)
    const hold = await acquire('data')
    process.chdir(elsewhere)
    const other = tryAcquire('data')
    expect(other?.path).toBe(join(elsewhere, 'data'))
    other?.release()
    hold.release()
  })
})

describe('a lock is not dropped', () => {
  // This is what locks of fcntl(2) do at any close() of the file in the process.
  test.each([
    ['the target', (hold: Hold) => hold.path],
    ['the lock file', (hold: Hold) => hold.lockfile],
  ])('when %s is opened, read and closed elsewhere in the process', async (_file, choose) => {
    const agent = await Agent.start()
    const hold = await acquire(dataIn(scratch()))
    closeSync(openSync(choose(hold), 'r'))
    closeSync(openSync(choose(hold), 'r+'))
    readFileSync(choose(hold))
    expect(await agent.tryAcquire(hold.path)).toBeNull()

    hold.release()
    expect(await agent.tryAcquire(hold.path)).not.toBeNull()
  })

  test('when another try of the same process fails and closes its own descriptor', async () => {
    const [agent, thread] = await Promise.all([Agent.start(), Thread.start()])
    const path = join(scratch(), 'data')
    const hold = await acquire(path)
    expect(tryAcquire(path)).toBeNull()
    expect((await secondCopy()).tryAcquire(path)).toBeNull()
    expect(await thread.tryAcquire(path)).toBeNull()
    expect(await agent.tryAcquire(path)).toBeNull()
    hold.release()
  })

  test('when a shared hold beside it is released', async () => {
    const agent = await Agent.start()
    const path = join(scratch(), 'data')
    const one = await acquire(path, { mode: 'shared' })
    const other = await acquire(path, { mode: 'shared' })
    one.release()
    expect(await agent.tryAcquire(path)).toBeNull()

    other.release()
    expect(await agent.tryAcquire(path)).not.toBeNull()
  })
})

function canLink(): boolean {
  return inProbeFolder((folder) => {
    try {
      symlinkSync(folder, join(folder, 'link'))
      return true
    } catch {
      return false
    }
  })
}

function ignoresCase(): boolean {
  return inProbeFolder((folder) => {
    writeFileSync(join(folder, 'probe'), '')
    return existsSync(join(folder, 'PROBE'))
  })
}

function inProbeFolder(ask: (folder: string) => boolean): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  try {
    return ask(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
