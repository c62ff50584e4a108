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
import { Watch } from '../page/watch.js'
import { acknowledging } from '../ledger/acknowledged.js'
import { intending } from '../soak/intents.js'
import { holdfastTools, lockFileTools } from './tools.js'

export interface Setup {
  readonly folder: string
  readonly provider: string
  /** Where it notes what it promised. */
  readonly promises: string
  /** Where it notes what it is about to write. */
  readonly intents: string
  /** Those of its lock files; null on holdfast. */
  readonly rules: GatewayRules | null
  readonly part: Part
}

export type Part =
  | { readonly name: 'gateway'; readonly port: number; readonly laneTimeout: number }
  | { readonly name: 'cli'; readonly command: readonly string[] }
  | { readonly name: 'cron'; readonly sessions: readonly string[]; readonly every: number }

/** What a gateway may be told while it runs. */
export type Order =
  /** To say how long it waited for a lock at most, since it was asked last. */
  | { readonly name: 'measure' }
  /** To do nothing else for so many milliseconds. */
  | { readonly name: 'block'; readonly milliseconds: number }

export interface Waited {
  readonly waited: number
}

/** A look for long transcripts comes as often as traffic does in this little time. */
const COMPACTION = { compactEvery: 300, longAt: 24 }
/** A heap as small as this one is hardly ever collected by itself. */
const COLLECT_EVERY = 500

const [setup] = (await once(process, 'message')) as [Setup]
const { folder, provider, promises, intents, rules, part } = setup
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => {}) // that of a terminal is for all its processes: the parent says when it is over

if (part.name === 'gateway') {
  onLastResort(log, releaseAll)
  setInterval(() => globalThis.gc?.(), COLLECT_EVERY)
  if (rules === null) await acquire(gatewayOf(folder), { keep: true, timeout: Infinity, label: 'gateway' })
  const watch = new Watch()
  const service = await serve({
    ...part,
    ...COMPACTION,
    folder,
    files: await files(),
    provider: new HttpProvider(new URL(provider)),
    tools: rules === null ? holdfastTools : lockFileTools,
    log,
  })
  process.once('SIGTERM', () => {
    void service.close(new Error('ended by SIGTERM')).then(() => process.exit())
  })
  process.send?.(service.url) // the first word: orders are obeyed afterwards
  process.on('message', (order: Order) => obey(order, watch))
} else if (part.name === 'cron') {
  const { sessions, every } = part
  const ending = new AbortController()
  process.once('message', () => ending.abort())
  process.send?.('ready')
  await cron(sessions, every, await files(), ending.signal, (error) => log('cron', { error: textOf(error) }))
  process.disconnect()
} else {
  const here = { folder, files: await files(), provider: new HttpProvider(new URL(provider)) }
  process.send?.('begins')
  await run(part.command, here)
  process.disconnect()
}

async function files(): Promise<Files> {
  const opened = rules === null ? await openFiles(folder) : await openLockFileFiles(folder, rules)
  const acknowledged = acknowledging(opened, promises)
  // What a gateway is sent its clients know.
  return part.name === 'gateway' ? acknowledged : intending(acknowledged, intents)
}

function obey(order: Order, watch: Watch): void {
  if (order.name === 'measure') {
    const { longestWait } = watch
    watch.resetLongestWait()
    process.send?.({ waited: longestWait } satisfies Waited)
    return
  }
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  Atomics.wait(nobody, 0, 0, order.milliseconds)
}
