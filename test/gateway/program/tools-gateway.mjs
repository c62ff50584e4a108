// A gateway whose tools go wrong: node tools-gateway.mjs <folder> <provider>
import { acquire, releaseAll } from 'holdfast'

import { log } from '../../../examples/gateway/dist/log.js'
import { gatewayOf } from '../../../examples/gateway/dist/places.js'
import { HttpProvider } from '../../../examples/gateway/dist/provider.js'
import { onLastResort, serve } from '../../../examples/gateway/dist/service.js'
import { openFiles } from '../../../examples/gateway/dist/session-files.js'

const [folder, provider] = process.argv.slice(2)

/** What it waits for breaks, nobody hears of it, and it never comes back: with a lock of its run's in its hands. */
async function reject({ lane, path }) {
  await acquire(`${path}.index`, { owner: lane.owner, label: 'index' })
  setImmediate(() => void Promise.reject(new Error('the stream was disconnected')))
  return new Promise(() => {})
}

/** Throws where nobody can catch it, with locks in its hands; says at its exit what is still held. */
async function throwUp({ lane, path }) {
  await acquire(`${path}.index`, { owner: lane.owner, label: 'index' })
  await acquire(`${path}.lost`, { keep: true, label: 'lost' })
  setImmediate(() => {
    throw new Error('out of nowhere')
  })
  return new Promise(() => {})
}

onLastResort(log, releaseAll)
await acquire(gatewayOf(folder), { keep: true, timeout: Infinity, label: 'gateway' })
const { url } = await serve({
  folder,
  files: await openFiles(folder),
  provider: new HttpProvider(new URL(provider)),
  tools: { reject, throw: throwUp },
  log,
  port: 0,
  laneTimeout: 500,
})
console.log(url)
