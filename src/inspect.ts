// A look at a lock without taking it.
import { systemError } from './coordination/system-error.js'
import type { Kernel, LockTarget, Probe } from './kernel/kernel.js'
import type { ProcessHolder } from './errors.js'
import { processHolders } from './kernel/proc-locks.js'
import { parseRecord, type LockRecord } from './record.js'

export interface InspectOptions {
  /** An exact lock file, instead of the path with `.hold` added. */
  lockfile?: string | undefined
}

export interface LockState {
  /**
   * `held`: somebody holds it exclusively, for one momentary shared try was refused. `free`: the try was granted; others
   * may hold it shared. `abandoned`: free, and its last exclusive hold did not end by its own release.
   */
  readonly state: 'free' | 'held' | 'abandoned'
  /** The last exclusive holder, as the lock file tells it; null where it tells nothing. A hint. */
  readonly record: LockRecord | null
  /** Processes of this PID namespace that hold it, where the system tells (Linux); never complete elsewhere. */
  readonly holders: readonly ProcessHolder[]
}

export function inspectLock(kernel: Kernel, file: LockTarget): LockState {
  const probe = probed(kernel, file)
  const record = parseRecord(probe.content)
  const holders = probe.state === 'absent' || file.filesystem.distant ? [] : processHolders(file.lockfile)
  if (probe.state === 'held') return { state: 'held', record, holders }
  const abandoned = record !== null && record.state !== 'free'
  return { state: abandoned ? 'abandoned' : 'free', record, holders }
}

function probed(kernel: Kernel, file: LockTarget): Probe {
  try {
    return kernel.probe(file)
  } catch (error) {
    throw systemError(error, file)
  }
}
