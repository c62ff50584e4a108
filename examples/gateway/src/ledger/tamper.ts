// To see that a loss does not pass.
import { readFileSync, writeFileSync } from 'node:fs'

/** Takes the last line out of a transcript, whole, as if it had never been written. Nobody may be writing there. */
export function tamper(path: string): void {
  const lines = readFileSync(path, 'utf8').split('\n')
  writeFileSync(path, lines.filter((_, index) => index !== lines.length - 2).join('\n'))
}
