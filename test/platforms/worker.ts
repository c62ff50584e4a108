// A worker thread that holds a lock, or waits for it, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'

import { acquire } from '../../src/index.js'

const { path, waits } = workerData as { path: string; waits: boolean }

const hold = acquire(path, { timeout: Infinity })
if (!waits) await hold
// acquire() asks the kernel before it returns: from here on the wait is real.
parentPort?.postMessage('ready')
// Neither end of it comes by itself.
parentPort?.on('message', () => {})
await hold
