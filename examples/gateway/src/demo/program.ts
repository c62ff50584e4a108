// One of the demo's processes, as its parent tells it first: the gateway, the command line or the job, on
// holdfast or on lock files. What it promises, it notes in a log.
import { once } from 'node:events'

import { acquire, releaseAll } from 'holdfast'

import { cron, run } from '../commands.js'
import type { Files } from '../files.js'
import { openLockFileFiles, type GatewayRules } from '../lock-files/lock-file-files.js'
import { log, textOf } from '../log.js'
import { gatewayOf } from '../places.js'
import { HttpProvider } from '../provider.js'
import { onLastResort, serve } from '../service.js'
import { openFiles } from '../session-files.js'
import { acknowledging } from './acknowledged.js'
import { holdfastTools, lockFileTools } from './tools.js'

export interface Setup {
  readonly folder: string
  readonly provider: string
  /** Where it notes what it promised. */
  readonly promises: string
  /** Those of its lock files; null on holdfast. */
  readonly rules: GatewayRules | null
  readonly part: Part
}

export type Part =
  | { readonly name: 'gateway'; readonly port: number; readonly laneTimeout: number }
  | { readonly name: 'cli'; readonly command: readonly string[] }
  | { readonly name: 'cron'; readonly sessions: readonly string[]; readonly every: number }

/** A look for long transcripts comes as often as traffic does in this little time. */
const COMPACTION = { compactEvery: 300, longAt: 24 }
/** A heap as small as this one is hardly ever collected by itself. */
const COLLECT_EVERY = 500

const [setup] = (await once(process, 'message')) as [Setup]
const { folder, provider, promises, rules, part } = setup
process.on('disconnect', () => process.exit())

if (part.name === 'gateway') {
  onLastResort(log, releaseAll)
  setInterval(() => globalThis.gc?.(), COLLECT_EVERY)
  if (rules === null) await acquire(gatewayOf(folder), { keep: true, timeout: Infinity, label: 'gateway' })
  const { url } = await serve({
    ...part,
    ...COMPACTION,
    folder,
    files: await files(),
    provider: new HttpProvider(new URL(provider)),
    tools: rules === null ? holdfastTools : lockFileTools,
    log,
  })
  process.send?.(url)
} else if (part.name === 'cron') {
  const { sessions, every } = part
  const ending = new AbortController()
  process.once('message', () => ending.abort())
  process.send?.('ready')
  await cron(sessions, every, await files(), ending.signal, (error) => log('cron', { error: textOf(error) }))
  process.disconnect()
} else {
  const here = { folder, files: await files(), provider: new HttpProvider(new URL(provider)) }
  await run(part.command, here)
  process.disconnect()
}

async function files(): Promise<Files> {
  return acknowledging(rules === null ? await openFiles(folder) : await openLockFileFiles(folder, rules), promises)
}
