// What a test needs that a machine may lack. Tests ask for the capability, never for the name of a system, and a test
// that cannot run says why.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Capability {
  readonly name: string
  readonly there: boolean
}

export function program(name: string): Capability {
  const found = spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
  return { name: `the program ${name}`, there: found }
}

export const root: Capability = { name: 'root', there: process.getuid?.() === 0 }

/** nobody, on every Unix. */
const NOBODY = 65534

/** Another user can run this Node and read this project, neither of which lies in somebody's private folder. */
export const anotherUser: Capability = {
  name: 'root, with a Node and a project that another user may use',
  there: root.there && canRunAs(NOBODY),
}

function canRunAs(user: number): boolean {
  const program = `require('node:fs').accessSync(${JSON.stringify(fileURLToPath(import.meta.url))})`
  return spawnSync(process.execPath, ['-e', program], { uid: user, gid: user, cwd: '/' }).status === 0
}
export const procfs: Capability = { name: '/proc', there: existsSync('/proc/self/task') }
export const posix: Capability = { name: 'POSIX signals and file modes', there: process.platform !== 'win32' }

/** For `test.skipIf()`: true, with a printed reason, when something is missing. */
export function missing(...capabilities: Capability[]): boolean {
  const lacking = capabilities.filter(({ there }) => !there)
  for (const { name } of lacking) console.log(`skipped: this machine lacks ${name}`)
  return lacking.length > 0
}
