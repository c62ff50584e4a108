// `holdfast run`: a command under a lock.
import type { Command } from './command.js'
import { UsageError } from './command.js'

export const run: Command = {
  name: 'run',
  summary: 'run a command while holding a lock',
  help: 'Usage: holdfast run [OPTION…] FILE -- COMMAND [ARGUMENT…]\n',
  run() {
    return Promise.reject(new UsageError('which FILE?'))
  },
}
