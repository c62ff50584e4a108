// Building the addon where the package has no binary for the platform: with the one command that the error names.
import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { Skip } from './skip.mjs'

const NEEDED = ['python3', 'make', 'c++']

function buildFromSource({ packed, consumer }) {
  const compiler = { env: { PATH: process.env.PATH } }
  for (const program of NEEDED) {
    if (consumer.tryRun(program, ['--version'], compiler).status !== 0) throw new Skip(`there is no ${program}`)
  }
  consumer.install(packed.archive)
  rmSync(join(consumer.folder, 'node_modules', 'holdfast', 'prebuilds'), { recursive: true })

  const tryIt = "import('holdfast').then(({ tryAcquire }) => tryAcquire('data').release())"
  const { output } = consumer.tryRun('node', ['-e', tryIt])
  const [, folder, command] = /run in (.*?): (.*)$/m.exec(output) ?? []
  if (command === undefined) throw new Error(`no command in: ${output}`)
  consumer.run('sh', ['-c', command], { ...compiler, cwd: folder })
  return `${command}: ${consumer.checkLock()}`
}

export const source = { 'build from source': buildFromSource }
