// A lease on a file, as fcntl(2) knows it: whoever opens the file waits until it is given back, or for 45 seconds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { onTestFinished } from 'vitest'

import { program, type Capability } from './capabilities.js'

export const leases: Capability = {
  name: 'Linux, and the program perl',
  there: process.platform === 'linux' && program('perl').there,
}

/** fcntl(F_SETLEASE, F_WRLCK), of which SIGIO asks to be given back. */
const LEASE = '$SIG{IO} = "IGNORE"; $| = 1; open(F, "+<", shift) && fcntl(F, 1024, 1) or die $!; print "."; sleep 600'

/** Another process has one until the end of the test, and does not give it back. */
export async function lease(path: string): Promise<void> {
  const holder = spawn('perl', ['-e', LEASE, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void holder.kill('SIGKILL'))
  const [said] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as unknown[]
  if (String(said) !== '.') throw new Error('there is no lease')
}
