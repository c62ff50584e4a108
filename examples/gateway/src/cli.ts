// node cli.js --folder <folder> [--provider <url>] <command> …: the command line beside the gateway.
import { argumentsOf, folderIn, program, urlIn } from './arguments.js'
import { run, USAGE } from './commands.js'
import { EchoProvider, HttpProvider } from './provider.js'
import { openFiles } from './session-files.js'

await program(async () => {
  const { values, positionals } = argumentsOf({
    allowPositionals: true,
    options: { folder: { type: 'string' }, provider: { type: 'string' } },
  })
  const folder = folderIn(values.folder, ` and one of:\n${USAGE}`)
  const provider =
    values.provider === undefined ? new EchoProvider() : new HttpProvider(urlIn(values.provider, '--provider'))
  const files = await openFiles(folder)
  console.log(await run(positionals, { folder, files, provider }))
  await files.close()
})
