// Processes that a test's own processes leave behind.
import { onTestFinished } from 'vitest'

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Kills it after the test; a negative number stands for a process group. */
export function killAfterTest(pid: number): void {
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
}
