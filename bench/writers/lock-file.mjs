// The same with the lock file that gateways had: its existence is the lock. Who finds it there tries again after 25 to
// 50 ms. Nothing here removes one that was left behind; nobody dies in the benchmark.
import { open, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { appendLine } from '../lib/append-line.mjs'

export default function (path, options) {
  const file = `${path}.lock`
  return {
    async append(value) {
      await create(file)
      await appendLine(path, value, options)
      await rm(file, { force: true })
    },
    close() {},
  }
}

async function create(file) {
  for (;;) {
    try {
      const handle = await open(file, 'wx')
      await handle.writeFile(JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() }))
      await handle.close()
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      await sleep(25 + Math.random() * 25)
    }
  }
}
