// node main.js --folder <folder> [--port <port>] [--provider <url>] [--lane-timeout <ms>]: the gateway as a program.
import { mkdir } from 'node:fs/promises'
import { once } from 'node:events'

import { acquire, releaseAll } from 'holdfast'

import { argumentsOf, folderIn, LONGEST, numberIn, program, urlIn } from './arguments.js'
import { log } from './log.js'
import { gatewayOf } from './places.js'
import { EchoProvider, HttpProvider } from './provider.js'
import { onLastResort, serve } from './service.js'
import { openFiles } from './session-files.js'

await program(async () => {
  const { values } = argumentsOf({
    options: {
      folder: { type: 'string' },
      port: { type: 'string', default: '8080' },
      provider: { type: 'string' },
      'lane-timeout': { type: 'string', default: '120000' },
    },
  })
  const folder = folderIn(values.folder)
  const port = numberIn(values.port, '--port', { least: 0, most: 65_535 })
  const laneTimeout = numberIn(values['lane-timeout'], '--lane-timeout', { least: 1, most: LONGEST })
  const provider =
    values.provider === undefined ? new EchoProvider() : new HttpProvider(urlIn(values.provider, '--provider'))

  onLastResort(log, releaseAll)
  await mkdir(folder, { recursive: true })
  // One gateway for each folder, as long as it runs. A second one waits here, and goes on where the first one ends.
  await acquire(gatewayOf(folder), { keep: true, timeout: Infinity, label: 'gateway' })

  const service = await serve({ folder, files: await openFiles(folder), provider, log, port, laneTimeout })
  console.log(service.url)

  const [signal] = (await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])) as [string]
  await service.close(new Error(`ended by ${signal}`))
  process.exit()
})
