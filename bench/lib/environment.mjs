// What the figures were measured on, and nothing that names the machine or its user.
import { readFileSync, realpathSync } from 'node:fs'
import { cpus, release, type } from 'node:os'

export function environment(folder, compiler) {
  const processors = cpus()
  return {
    processor: `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`,
    system: `${type()} ${release()}`,
    node: `${process.version} ${process.arch}`,
    filesystem: `${filesystem(folder)}, in os.tmpdir()`,
    compiler: `${compiler}, -O2`,
  }
}

/** The type of the mount with the longest path above `folder`. */
function filesystem(folder) {
  try {
    const path = `${realpathSync(folder)}/`
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, mount]) => mount !== undefined && path.startsWith(mount === '/' ? '/' : `${mount}/`))
    // The last of those mounted on one place is the one that is seen.
    return mounts.reduce((best, mount) => (mount[1].length >= best[1].length ? mount : best))[2]
  } catch {
    return 'unknown filesystem'
  }
}
