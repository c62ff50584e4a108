// node cli.js --folder <folder> [--provider <url>] <command> …: the command line beside the gateway.
import { parseArgs } from 'node:util'

import { run, USAGE } from './commands.js'
import { EchoProvider, HttpProvider } from './provider.js'
import { openFiles } from './session-files.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { folder: { type: 'string' }, provider: { type: 'string' } },
})
const { folder, provider } = values
if (folder === undefined) throw new Error(`Expected --folder <folder> and one of:\n${USAGE}`)
const files = await openFiles(folder)
const model = provider === undefined ? new EchoProvider() : new HttpProvider(new URL(provider))
console.log(await run(positionals, { folder, files, provider: model }))
await files.close()
