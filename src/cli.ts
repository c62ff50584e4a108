#!/usr/bin/env node
// The program `holdfast`: finds the command, loads that one alone, and makes of what goes wrong one line and an exit
// code.
import { createRequire } from 'node:module'

import { UsageError, type Command } from './cli/command.js'
import { COMMANDS, nearest } from './cli/commands.js'
import { EXIT } from './cli/exit-codes.js'
import { failureOf } from './cli/failure.js'
import { openTerminal, type Terminal } from './cli/terminal.js'
import { escaped } from './cli/text.js'

process.exitCode = await main(process.argv.slice(2), openTerminal(process))

async function main([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === undefined) {
    terminal.err.write(await helpOfAll())
    return EXIT.usage
  }
  if (name === '--help' || name === '-h' || name === 'help') return print(terminal, await helpOfAll())
  if (name === '--version' || name === '-V') return print(terminal, `holdfast ${version()}\n`)
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) return fail(terminal, unknown(name), 'holdfast', false)

  const command = await load()
  const own = command.own?.(args) ?? args
  const end = own.indexOf('--')
  const options = end === -1 ? own : own.slice(0, end)
  if (options.includes('--help') || options.includes('-h')) return print(terminal, command.help)
  try {
    return await command.run(args, terminal)
  } catch (error) {
    return fail(terminal, error, `holdfast ${name}`, options.includes('--json'))
  }
}

function print({ out }: Terminal, text: string): number {
  out.write(text)
  return EXIT.ok
}

/** With --json, what went wrong is one line of JSON as well, and on standard error too: what is read stays whole. */
async function fail({ err }: Terminal, error: unknown, program: string, json: boolean): Promise<number> {
  const { exit, ...failure } = await failureOf(error)
  if (json) {
    err.write(`${JSON.stringify({ error: failure })}\n`)
    return exit
  }
  err.write(`holdfast: ${escaped(failure.message)}\n`)
  if (exit === EXIT.usage) err.write(`See ${program} --help\n`)
  if (exit === EXIT.internal && error instanceof Error) err.write(`${error.stack ?? ''}\n`)
  return exit
}

function unknown(name: string): UsageError {
  const guess = nearest(name)
  return new UsageError(`there is no command ${name}${guess === undefined ? '' : `; did you mean ${guess}?`}`)
}

async function helpOfAll(): Promise<string> {
  const commands: Command[] = []
  for (const load of Object.values(COMMANDS)) commands.push(await load())
  const width = Math.max(...commands.map(({ name }) => name.length))
  return `Usage: holdfast COMMAND …

File locks that the kernel holds, for shells and people.

${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

  -h, --help     this text; holdfast COMMAND --help tells of a command
  -V, --version  which version this is
`
}

function version(): string {
  // By its name, which is found from the sources as from what is built.
  const { version } = createRequire(import.meta.url)('holdfast/package.json') as { version: string }
  return version
}
