// How gateways append under the lock: session managers with appendFileSync(), other code with appendFile().
import { appendFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'

/** Resolves when the system has the line. */
export const appendLine = (path, value, { sync }) => {
  const line = `${JSON.stringify(value)}\n`
  return sync ? appendFileSync(path, line) : appendFile(path, line)
}
