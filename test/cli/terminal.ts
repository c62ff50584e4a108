// A program on a pseudo-terminal: what a person sees of it, and what that person types.
import { fileURLToPath } from 'node:url'

import { program, type Capability } from '../helpers/capabilities.js'
import { Running } from './program.js'

const ON_TERMINAL = fileURLToPath(new URL('on-terminal.py', import.meta.url))

export const terminals: Capability = {
  name: 'a pseudo-terminal, by Python 3',
  there: process.platform !== 'win32' && program('python3').there,
}

export const CTRL_C = '\x03'
export const CTRL_BACKSLASH = '\x1c'

export interface TerminalOptions {
  readonly columns?: number
  readonly rows?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** `type()` types there; `output` is what is shown, with its escape sequences. */
export function onTerminal(
  command: readonly string[],
  { columns = 80, rows = 24, env = {}, cwd = process.cwd() }: TerminalOptions = {},
): Running {
  return new Running(['python3', ON_TERMINAL, String(columns), String(rows), ...command], {
    cwd,
    env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: 'xterm', ...env },
  })
}
