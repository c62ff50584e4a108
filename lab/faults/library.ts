// Compiles the library of the faults, and makes the surroundings of a process that loads it.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { prepareControl } from './faults.js'

const SOURCE = fileURLToPath(new URL('../../faults/preload.c', import.meta.url))

/** The library's file; a text that names what this machine lacks where there can be none. */
export function compileLibrary(folder: string): { file: string } | { lacking: string } {
  if (process.platform !== 'linux') return { lacking: 'Linux' }
  if (spawnSync('cc', ['--version'], { stdio: 'ignore' }).error !== undefined) return { lacking: 'the program cc' }
  const file = join(folder, 'faults.so')
  const options = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC']
  const { status, stderr } = spawnSync('cc', [...options, '-o', file, SOURCE, '-ldl', '-lpthread'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`preload.c does not compile:\n${stderr}`)
  const script = `process.exitCode = process.report.getReport().sharedObjects.includes(${JSON.stringify(file)}) ? 0 : 1`
  const env = { ...process.env, LD_PRELOAD: file }
  const loads = spawnSync(process.execPath, ['-e', script], { env }).status === 0
  return loads ? { file } : { lacking: 'a Node that loads what LD_PRELOAD names' }
}

/** Where a process works, and what it must be told to load the library. */
export interface Place {
  readonly folder: string
  readonly control: string
  readonly env: NodeJS.ProcessEnv
}

/** `distant/` in its folder passes for a mount of a server. */
export function makePlace(library: string, folder: string): Place {
  const files = join(folder, 'files')
  const control = join(folder, 'control')
  const mounts = join(folder, 'mounts')
  mkdirSync(join(files, 'local'), { recursive: true })
  mkdirSync(join(files, 'distant'))
  prepareControl(control)
  const list = readFileSync('/proc/self/mountinfo', 'utf8')
  // On the mount that the folder lies on, which is the deepest one on the way.
  const [id = '1'] = list
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , , , point = '']) => point === '/' || files.startsWith(`${point}/`))
    .sort(([, , , , one = ''], [, , , , other = '']) => other.length - one.length)[0] ?? ['1']
  writeFileSync(mounts, `${list}99999 ${id} 0:999 / ${join(files, 'distant')} rw - nfs4 server:/share rw,hard\n`)
  const env = {
    ...process.env,
    LD_PRELOAD: library,
    HOLDFAST_LAB_FAULTS: control,
    HOLDFAST_LAB_FOLDER: files,
    HOLDFAST_LAB_MOUNTS: mounts,
  }
  return { folder: files, control, env }
}
