// A holder is killed while another process waits: microseconds until the waiter owns the lock, Infinity for never.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { NodeProcess } from './node-process.mjs'
import { nodeWaiter } from './waiters.mjs'

/** Long enough for the waiter to be blocked. */
const SETTLE = 50

/** `reusePid` writes the PID of a process that lives into the lock file, which is what a system that has come round to
 * the dead holder's number looks like to a PID check. */
export function killProcess(contender, { reusePid = false } = {}) {
  return async (path, patience) => {
    const holder = await NodeProcess.start('contender.mjs', [contender, path])
    const waiter = await nodeWaiter(contender, path)
    try {
      await holder.ask('hold')
      await waiter.begin()
      await sleep(SETTLE)
      if (reusePid) writeFileSync(`${path}.pid`, String(process.pid))
      const begun = Number(process.hrtime.bigint())
      const gone = holder.kill()
      const granted = await withPatience(waiter.granted(), patience)
      await gone
      return (granted - begun) / 1e3
    } finally {
      await holder.kill()
      await waiter.close()
    }
  }
}

/** flock(1): without a fork the program it runs holds the lock. A shell script has no clock to compare with ours, so the
 * time includes the start of `true` and its end. */
export async function killProgram(path, patience) {
  const held = `${path}.held`
  rmSync(held, { force: true })
  const holder = spawn('flock', ['-F', path, 'sh', '-c', `: > '${held}'; exec sleep 600`], { stdio: 'ignore' })
  await once(holder, 'spawn')
  while (!existsSync(held)) await sleep(1)
  const waiter = spawn('flock', [path, 'true'], { stdio: 'ignore' })
  await sleep(SETTLE)
  const begun = process.hrtime.bigint()
  holder.kill('SIGKILL')
  const owned = once(waiter, 'exit').then(() => Number(process.hrtime.bigint() - begun) / 1e3)
  try {
    return await withPatience(owned, patience)
  } finally {
    waiter.kill()
  }
}

async function withPatience(promise, patience) {
  const stop = new AbortController()
  const never = sleep(patience, Infinity, { signal: stop.signal }).catch(() => Infinity)
  try {
    return await Promise.race([promise, never])
  } finally {
    stop.abort()
  }
}
