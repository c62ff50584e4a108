// A worker thread with one hold and one wait, which is ended in the middle of it.
import { parentPort, workerData } from 'node:worker_threads'

import { acquire } from 'holdfast'

const { held, waited } = workerData as { held: string; waited: string }
await acquire(held, { keep: true })
void acquire(waited, { timeout: Infinity })
parentPort?.postMessage('ready')
