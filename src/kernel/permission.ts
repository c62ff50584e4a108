// Node's permission model does not see what an addon opens, so the lock file is checked here, as node:fs would.
import { visible } from '../errors.js'

const NEEDED = { 'fs.read': 'FileSystemRead', 'fs.write': 'FileSystemWrite' } as const

/** Undefined unless Node was started with --permission. */
const permission: NodeJS.ProcessPermission | undefined = 'permission' in process ? process.permission : undefined

export function checkPermission(lockfile: string): void {
  if (permission === undefined) return
  for (const [scope, name] of Object.entries(NEEDED)) {
    if (permission.has(scope, lockfile)) continue
    const error = new Error(visible(`Access to the lock file has been restricted: ${scope} of ${lockfile}`))
    throw Object.assign(error, { code: 'ERR_ACCESS_DENIED', permission: name, resource: lockfile })
  }
}
