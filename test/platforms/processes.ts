// What holdfast promises between real processes, on whatever system this runs. Each case has a folder of its own.
import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { acquire, inspect, isLockError, tryAcquire } from '../../src/index.js'
import { Peer } from './peer.js'
import { atEnd, type ProcessCase } from './process-case.js'
import { Skip } from './report.js'

/** How long something that must not happen is given to happen. */
const QUIESCENT = 100

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

function peer(): Peer {
  const started = new Peer()
  atEnd(() => started.kill())
  return started
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function staysBlocked(promise: Promise<unknown>): Promise<void> {
  const quiet = new Promise((resolve) => setTimeout(() => resolve('blocked'), QUIESCENT))
  assert.equal(await Promise.race([promise.then(() => 'settled'), quiet]), 'blocked')
}

async function worker(path: string, waits: boolean): Promise<Worker> {
  const started = new Worker(WORKER, { workerData: { path, waits } })
  await new Promise((resolve, reject) => {
    started.once('message', resolve)
    started.once('error', reject)
  })
  return started
}

/** Both names are one lock: held through one, it is busy through the other. */
async function areOneLock(one: string, other: string): Promise<void> {
  const holder = peer()
  assert.equal(await holder.ask('tryAcquire', one), true)
  assert.equal(await peer().ask('tryAcquire', other), false)
  assert.equal(tryAcquire(other), null)
  await holder.ask('release', one)
  const hold = tryAcquire(other)
  assert.ok(hold)
  hold.release()
}

function link(destination: string, path: string, type: 'file' | 'junction'): void {
  try {
    symlinkSync(destination, path, type)
    if (lstatSync(path).isSymbolicLink()) return
  } catch {
    // No such links here, or no right to make them.
  }
  throw new Skip(`this system makes no link of the type ${type}`)
}

/** A folder and a link to it. Wine makes no links, but it follows those that were made outside of it. */
function linkedFolder(folder: string): { real: string; linked: string } {
  const made = process.env.HOLDFAST_LINKED_FOLDER
  const [real, linked] = [join(made ?? folder, 'real'), join(made ?? folder, 'linked')]
  if (made === undefined) {
    mkdirSync(real)
    link(real, linked, 'junction')
  }
  return { real, linked }
}

export const processCases: readonly ProcessCase[] = [
  {
    title: 'two processes exclude each other',
    async run(folder) {
      const file = join(folder, 'file')
      const [a, b] = [peer(), peer()]
      assert.equal(await a.ask('tryAcquire', file), true)
      assert.equal(await b.ask('tryAcquire', file), false)
      assert.equal(tryAcquire(file), null)
      await a.ask('release', file)
      assert.equal(await b.ask('tryAcquire', file), true)
    },
  },
  {
    title: 'processes that take turns lose no update',
    async run(folder) {
      const file = join(folder, 'count')
      writeFileSync(file, '0')
      await Promise.all([peer(), peer(), peer()].map((one) => one.ask('increment', file, 40)))
      assert.equal(readFileSync(file, 'latin1'), '120')
    },
  },
  {
    title: 'shared holds of two processes go together and keep an exclusive one out',
    async run(folder) {
      const file = join(folder, 'file')
      const other = peer()
      await other.ask('acquire', file, { mode: 'shared' })
      const hold = await acquire(file, { mode: 'shared' })
      hold.release()
      assert.equal(tryAcquire(file), null)
    },
  },
  {
    title: 'a blocked waiter is woken by the release',
    async run(folder) {
      const file = join(folder, 'file')
      const [holder, waiter] = [peer(), peer()]
      await holder.ask('acquire', file)
      const granted = waiter.ask('acquire', file)
      await staysBlocked(granted)
      await holder.ask('release', file)
      assert.equal(await granted, true)
    },
  },
  {
    title: 'the lock of a killed process goes to the waiter',
    async run(folder) {
      const file = join(folder, 'file')
      const [holder, waiter] = [peer(), peer()]
      await holder.ask('acquire', file)
      const granted = waiter.ask('acquire', file)
      await staysBlocked(granted)
      await holder.kill()
      assert.equal(await granted, true)
    },
  },
  {
    title: 'a child that outlives its killed parent does not hold the lock',
    async run(folder) {
      const file = join(folder, 'file')
      const [holder, waiter] = [peer(), peer()]
      await holder.ask('acquire', file)
      const child = (await holder.ask('startChild', file, 60_000)) as number
      try {
        const granted = waiter.ask('acquire', file)
        await holder.kill()
        assert.equal(await granted, true)
        assert.ok(isAlive(child), 'the child has ended, so nothing was shown')
      } finally {
        if (isAlive(child)) process.kill(child, 'SIGKILL')
      }
    },
  },
  {
    title: 'the record can be read while the lock is held',
    async run(folder) {
      const file = join(folder, 'file')
      const holder = peer()
      await holder.ask('acquire', file, { label: 'a label' })
      assert.match(readFileSync(`${file}.hold`, 'latin1'), new RegExp(`"pid":${holder.child.pid}\\b.*"a label"`))
      const state = inspect(file)
      assert.equal(state.state, 'held')
      assert.equal(state.record?.pid, holder.child.pid)
    },
  },
  {
    title: 'a holder that is killed is told to the next one',
    async run(folder) {
      const file = join(folder, 'file')
      const holder = peer()
      await holder.ask('acquire', file)
      const { pid } = holder.child
      await holder.kill()
      const hold = await acquire(file)
      assert.equal(hold.recoveredFrom?.pid, pid)
      hold.release()
    },
  },
  {
    title: 'a process that is stuck loses its hold at its maxHold, and is told when it goes on',
    async run(folder) {
      const [file, goOn] = [join(folder, 'file'), join(folder, 'go-on')]
      const stuck = peer()
      await stuck.ask('acquire', file, { maxHold: 300 })
      const done = stuck.ask('blockUntil', file, goOn, false)
      const hold = await acquire(file)
      assert.equal(hold.recoveredFrom?.reason, 'max-hold')
      writeFileSync(goOn, '')
      await done
      assert.equal(await stuck.ask('isHeld', file), false)
      await stuck.ask('release', file)
      assert.equal(await peer().ask('tryAcquire', file), false)
      hold.release()
    },
  },
  {
    title: 'a process that is stuck in a guard keeps its lock past its maxHold, until the guard ends',
    async run(folder) {
      const [file, goOn] = [join(folder, 'file'), join(folder, 'go-on')]
      const [stuck, other] = [peer(), peer()]
      await stuck.ask('acquire', file, { maxHold: 1000 })
      void stuck.ask('blockUntil', file, goOn, true)
      const granted = other.ask('acquire', file)
      await new Promise((resolve) => setTimeout(resolve, 1000)) // its deadline passes
      await staysBlocked(granted)
      writeFileSync(goOn, '')
      assert.equal(await granted, true)
      assert.equal(await stuck.ask('isHeld', file), false)
    },
  },
  {
    title: 'process.exit() does not wait for a pending wait',
    async run(folder) {
      const file = join(folder, 'file')
      const [holder, waiter] = [peer(), peer()]
      await holder.ask('acquire', file)
      await staysBlocked(waiter.ask('acquire', file))
      void waiter.ask('exit', file, 7)
      assert.equal(await waiter.ended, 7)
      assert.equal(await peer().ask('inspect', file), 'held')
    },
  },
  {
    title: 'a wait that timed out takes no lock afterwards',
    async run(folder) {
      const file = join(folder, 'file')
      const [holder, other] = [peer(), peer()]
      await holder.ask('acquire', file)
      await assert.rejects(acquire(file, { timeout: 50 }), (error) => isLockError(error, 'ERR_LOCK_TIMEOUT'))
      await holder.ask('release', file)
      assert.equal(await other.ask('acquire', file), true)
    },
  },
  {
    title: 'a worker that is terminated while it waits leaves no lock behind',
    async run(folder) {
      const file = join(folder, 'file')
      const holder = peer()
      await holder.ask('acquire', file)
      const waiting = await worker(file, true)
      await waiting.terminate()
      await holder.ask('release', file)
      assert.equal(await peer().ask('acquire', file), true)
    },
  },
  {
    title: 'a worker that is terminated frees what it holds',
    async run(folder) {
      const file = join(folder, 'file')
      const holding = await worker(file, false)
      assert.equal(await peer().ask('tryAcquire', file), false)
      await holding.terminate()
      assert.equal(await peer().ask('tryAcquire', file), true)
    },
  },
  {
    title: 'an open lock file cannot be deleted, or its hold says that it is lost',
    async run(folder) {
      const file = join(folder, 'file')
      const hold = await acquire(file)
      let deleted = true
      try {
        unlinkSync(hold.lockfile)
      } catch {
        deleted = false
      }
      if (deleted) {
        assert.throws(
          () => hold.assertHeld(),
          (error) => isLockError(error, 'ERR_LOCK_LOST'),
        )
      } else {
        hold.assertHeld()
        assert.equal(await peer().ask('tryAcquire', file), false)
        hold.release()
      }
      assert.equal(await peer().ask('tryAcquire', file), true)
    },
  },
  {
    title: 'a lock file that is a directory is refused',
    async run(folder) {
      const file = join(folder, 'file')
      mkdirSync(`${file}.hold`)
      await assert.rejects(acquire(file), (error) => {
        assert.ok(isLockError(error, 'ERR_LOCK_SYSTEM'))
        assert.equal((error.cause as NodeJS.ErrnoException).code, 'EISDIR')
        return true
      })
      assert.ok(lstatSync(`${file}.hold`).isDirectory())
    },
  },
  {
    title: 'a lock file that is a symlink is refused',
    async run(folder) {
      const file = join(folder, 'file')
      writeFileSync(join(folder, 'precious'), 'data')
      link(join(folder, 'precious'), `${file}.hold`, 'file')
      await assert.rejects(acquire(file), (error) => isLockError(error, 'ERR_LOCK_SYSTEM'))
      assert.equal(readFileSync(join(folder, 'precious'), 'latin1'), 'data')
    },
  },
  {
    title: 'a target behind a symlink has the lock of its destination',
    async run(folder) {
      const file = join(folder, 'file')
      link(file, join(folder, 'link'), 'file')
      await areOneLock(file, join(folder, 'link'))
      assert.ok(!existsSync(join(folder, 'link.hold')))
    },
  },
  {
    title: 'a target behind a junction or a linked folder has the lock of its destination',
    async run(folder) {
      const { real, linked } = linkedFolder(folder)
      await areOneLock(join(real, 'file'), join(linked, 'file'))
    },
  },
  {
    title: 'a path that differs in case only is the same lock where the system says so',
    async run(folder) {
      const file = join(folder, 'File')
      writeFileSync(file, '')
      if (!existsSync(join(folder, 'fILE'))) throw new Skip('this system tells upper from lower case')
      await areOneLock(file, join(folder, 'fILE'))
    },
  },
  {
    title: 'a path longer than 260 characters can be locked',
    async run(folder) {
      const deep = join(folder, 'd'.repeat(120), 'e'.repeat(120), 'f'.repeat(120))
      mkdirSync(deep, { recursive: true })
      const file = join(deep, 'file')
      assert.ok(file.length > 260)
      await areOneLock(file, join(dirname(file), '.', basename(file)))
      assert.ok(existsSync(`${file}.hold`))
    },
  },
  {
    title: 'a path of characters outside ASCII can be locked',
    async run(folder) {
      const file = join(folder, 'ключ-鍵-🔒')
      await areOneLock(file, file)
      assert.ok(existsSync(`${file}.hold`))
    },
  },
  {
    title: 'a lock file that may only be read still locks',
    async run(folder) {
      const file = join(folder, 'file')
      writeFileSync(`${file}.hold`, '', { mode: 0o444 })
      await areOneLock(file, file)
    },
  },
]
