// Whether a signal has reached the command already: what is typed at a terminal goes to every process of the group in its
// foreground, and the command is in ours. Delivered twice, ^C means "at once" to many programs.
//
// Nobody tells who sent a signal. In the foreground of a terminal, SIGINT and SIGQUIT are taken for typed ones; whoever
// sends one to us alone by kill(1) sends it to the group, or sends SIGTERM.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export function reachedTheGroup(signal: NodeJS.Signals): boolean {
  // On Windows all of them are events of the console, which reach whoever is attached to it.
  return process.platform === 'win32' || ((signal === 'SIGINT' || signal === 'SIGQUIT') && isInForeground())
}

function isInForeground(): boolean {
  const [group, foreground] = process.platform === 'linux' ? groupsByProc() : groupsByPs()
  return group !== undefined && group === foreground
}

type Groups = readonly (string | undefined)[]

/** This process's group, and that in the foreground of its terminal: -1 without a terminal. */
export function groupsByProc(): Groups {
  // 812 (the name) S parent group session terminal foreground …
  const [, , group, , , foreground] = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return [group, foreground]
}

export function groupsByPs(): Groups {
  const { stdout } = spawnSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
  return stdout.trim().split(/\s+/)
}
