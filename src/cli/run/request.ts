// The arguments of `holdfast run`. Letters mean what they mean to flock(1); like there, options end where the command
// begins, so that its own are never taken for ours.
import { basename } from 'node:path'
import { parseArgs } from 'node:util'

import { UsageError } from '../command.js'
import { EXIT } from '../exit-codes.js'
import type { CommandLine } from './child.js'

export interface RunRequest {
  readonly file: string
  /** An exact lock file. */
  readonly lockfile: string | undefined
  readonly mode: 'exclusive' | 'shared'
  /** Milliseconds, as the other times. */
  readonly timeout: number
  readonly busyCode: number
  readonly quiet: boolean
  readonly maxHold: number | undefined
  readonly killAfter: number
  readonly close: boolean
  /** The name of the command alone: what its arguments tell is not for everybody who can read the lock file. */
  readonly label: string
  readonly command: CommandLine
}

const OPTIONS = {
  exclusive: { type: 'boolean', short: 'x' },
  e: { type: 'boolean', short: 'e' },
  shared: { type: 'boolean', short: 's' },
  'no-wait': { type: 'boolean', short: 'n' },
  wait: { type: 'string', short: 'w' },
  'busy-code': { type: 'string', short: 'E' },
  quiet: { type: 'boolean', short: 'q' },
  command: { type: 'string', short: 'c' },
  lockfile: { type: 'boolean' },
  'max-hold': { type: 'string' },
  'kill-after': { type: 'string', short: 'k' },
  close: { type: 'boolean', short: 'o' },
} as const

/** Where the command begins: at the second word that is no option, or after `--`. */
export function split(args: readonly string[]): { own: readonly string[]; command: readonly string[] } {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true })
  let named = false
  for (const { kind, index } of tokens) {
    if (kind === 'option') continue
    if (named) return { own: args.slice(0, index), command: args.slice(args[index] === '--' ? index + 1 : index) }
    named = kind === 'positional'
  }
  return { own: args, command: [] }
}

export function requestOf(args: readonly string[]): RunRequest {
  const { own, command } = split(args)
  const { values, positionals } = parseArgs({ args: [...own], options: OPTIONS, allowPositionals: true })
  const [file] = positionals
  if (file === undefined) throw new UsageError('which FILE? And which COMMAND?')
  if (file === '') throw new UsageError('FILE is empty')
  if (values.shared === true && (values.exclusive ?? values.e) === true) {
    throw new UsageError('a lock is either shared or exclusive')
  }
  return {
    file,
    lockfile: values.lockfile === true ? file : undefined,
    mode: values.shared === true ? 'shared' : 'exclusive',
    timeout: values['no-wait'] === true ? 0 : (seconds('--wait', values.wait) ?? Infinity),
    busyCode: exitCode('--busy-code', values['busy-code']) ?? EXIT.busy,
    quiet: values.quiet ?? false,
    maxHold: seconds('--max-hold', values['max-hold'], 'more than 0'),
    killAfter: seconds('--kill-after', values['kill-after']) ?? 10_000,
    close: values.close ?? false,
    ...commandOf(values.command, command),
  }
}

function commandOf(
  line: string | undefined,
  [name, ...args]: readonly string[],
): Pick<RunRequest, 'label' | 'command'> {
  if (line === undefined) {
    if (name === undefined) throw new UsageError('which COMMAND?')
    if (name === '') throw new UsageError('COMMAND is empty')
    return { label: basename(name), command: { name, args, shell: false } }
  }
  if (name !== undefined) throw new UsageError('there is a COMMAND, and a LINE by --command')
  return { label: 'a line of the shell', command: { name: line, args: [], shell: true } }
}

/** Milliseconds. */
function seconds(
  name: string,
  text: string | undefined,
  bound: 'more than 0' | '0 or more' = '0 or more',
): number | undefined {
  if (text === undefined) return undefined
  const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) * 1000 : NaN
  if (!(bound === '0 or more' ? value >= 0 : value > 0)) {
    throw new UsageError(`${name} takes ${bound} seconds, and not ${text === '' ? 'an empty text' : text}`)
  }
  return value
}

function exitCode(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,3}$/.test(text) ? Number(text) : NaN
  if (!(value <= 255))
    throw new UsageError(`${name} takes a number from 0 to 255, and not ${text === '' ? 'an empty text' : text}`)
  return value
}
