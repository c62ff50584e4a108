// What only POSIX systems have: the on-disk contract, by a program that knows nothing of holdfast (flock(1) on the lock
// file), and files that block whoever opens them.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import { acquire, isLockError, tryAcquire } from '../../../src/index.js'
import { atEnd, type ProcessCase } from '../process-case.js'
import { Skip } from '../report.js'

function flockExists(): void {
  if (spawnSync('flock', ['--version'], { stdio: 'ignore' }).error) throw new Skip('there is no flock(1)')
}

/** A sanitizer that is preloaded is for Node; the shell may crash with it. */
const WITHOUT_SANITIZER = { ...process.env, LD_PRELOAD: '' }

export const posixCases: readonly ProcessCase[] = [
  {
    title: 'flock(1) on the lock file is kept out by holdfast',
    async run(folder) {
      flockExists()
      const hold = await acquire(join(folder, 'file'))
      const tryIt = (): number | null =>
        spawnSync('flock', ['--nonblock', hold.lockfile, 'true'], { env: WITHOUT_SANITIZER }).status
      assert.equal(tryIt(), 1)
      hold.release()
      assert.equal(tryIt(), 0)
    },
  },
  {
    title: 'flock(1) on the lock file keeps holdfast out until it ends',
    async run(folder) {
      flockExists()
      const file = join(folder, 'file')
      // It holds the lock until its input ends.
      const holder = spawn('flock', [`${file}.hold`, 'sh', '-c', 'echo locked; cat'], {
        stdio: ['pipe', 'pipe', 'ignore'],
        env: WITHOUT_SANITIZER,
      })
      const ended = once(holder, 'exit')
      atEnd(async () => {
        holder.stdin.end()
        await ended
      })
      assert.equal(String(await once(holder.stdout, 'data')).trim(), 'locked')
      assert.equal(tryAcquire(file), null)
      const waiting = acquire(file)
      holder.stdin.end()
      const hold = await waiting
      hold.release()
    },
  },
  {
    title: 'a lock file that is a FIFO is refused, and nobody waits for its other end',
    async run(folder) {
      const file = join(folder, 'file')
      if (spawnSync('mkfifo', [`${file}.hold`]).status !== 0) throw new Skip('there is no mkfifo(1)')
      await assert.rejects(acquire(file), (error) => isLockError(error, 'ERR_LOCK_SYSTEM'))
    },
  },
]
