// node cron.js --folder <folder> [--every <ms>] <session> …: a job that comes by the clock and writes the gateway's files.
import { argumentsOf, folderIn, LONGEST, numberIn, program, UsageError } from './arguments.js'
import { cron } from './commands.js'
import { log, textOf } from './log.js'
import { isSession } from './places.js'
import { openFiles } from './session-files.js'

await program(async () => {
  const { values, positionals } = argumentsOf({
    allowPositionals: true,
    options: { folder: { type: 'string' }, every: { type: 'string', default: '60000' } },
  })
  const folder = folderIn(values.folder, ' <session> …')
  const every = numberIn(values.every, '--every', { least: 1, most: LONGEST })
  if (positionals.length === 0 || !positionals.every(isSession)) {
    throw new UsageError('Expected --folder <folder> <session> …, each of small letters, digits and dashes inside')
  }
  const ending = new AbortController()
  process.once('SIGTERM', () => ending.abort())
  process.once('SIGINT', () => ending.abort())
  const files = await openFiles(folder)
  await cron(positionals, every, files, ending.signal, (error) => log('cron', { error: textOf(error) }))
  await files.close()
})
