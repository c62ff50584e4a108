// node cron.js --folder <folder> [--every <ms>] <session> …: a job that comes by the clock and writes the gateway's files.
import { parseArgs } from 'node:util'

import { cron } from './commands.js'
import { log, textOf } from './log.js'
import { openFiles } from './session-files.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { folder: { type: 'string' }, every: { type: 'string', default: '60000' } },
})
const { folder } = values
if (folder === undefined || positionals.length === 0) throw new Error('Expected --folder <folder> <session> …')
const ending = new AbortController()
process.once('SIGTERM', () => ending.abort())
process.once('SIGINT', () => ending.abort())
const files = await openFiles(folder)
await cron(positionals, Number(values.every), files, ending.signal, (error) => log('cron', { error: textOf(error) }))
await files.close()
