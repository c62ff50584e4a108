// A program that was written for proper-lockfile, with its import changed. It is compiled, never run.
import lockfile, {
  check,
  checkSync,
  lock,
  lockSync,
  unlock,
  unlockSync,
  type CheckOptions,
  type LockOptions,
  type OperationOptions,
  type UnlockOptions,
} from 'holdfast/adapters/proper-lockfile'
import * as names from 'holdfast/adapters/proper-lockfile'

const retries: OperationOptions = { retries: 5, factor: 2, minTimeout: 100, maxTimeout: 1000, randomize: true }
const pauses: OperationOptions = [100, 200]
const options: LockOptions = { retries, stale: 10_000, update: undefined, realpath: false, fs: { realpath: () => {} } }
const unlockOptions: UnlockOptions = { realpath: false, lockfilePath: 'exact', fs: undefined }
const checkOptions: CheckOptions = { ...unlockOptions, stale: 5000 }

export async function main(): Promise<boolean> {
  const release: () => Promise<void> = await lock('some/file', options)
  await release()
  await lock('some/file', { retries: pauses, onCompromised: (error: Error) => console.error(error.message) })
  await unlock('some/file', unlockOptions)
  const releaseSync: () => void = lockSync('some/file', { lockfilePath: 'exact', retries: 0 })
  releaseSync()
  unlockSync('some/file', { lockfilePath: 'exact' })
  const isLocked: boolean = checkSync('some/file', checkOptions)

  const again: () => Promise<void> = await lockfile('some/file')
  await again()
  await lockfile.lock('some/file').then((release) => release())
  await names.default.unlock('some/file')
  names.lockSync('some/file')()

  // @ts-expect-error a function that is told gets an error
  await lock('some/file', { onCompromised: (code: number) => code })
  // @ts-expect-error the time to wait is in retries
  await lock('some/file', { timeout: 5 })
  // @ts-expect-error checking needs no retries
  await check('some/file', { retries: 5 })
  return isLocked && (await check('some/file'))
}
