// A Redis server for one row, without anything on disk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { answers, freePort } from './ports.mjs'

/** Resolves to { port, url(host), stop() }. Rejects with what a table shows where there is no such server. */
export async function startRedis() {
  const port = await freePort()
  const settings = ['--port', port, '--save', '', '--appendonly', 'no', '--protected-mode', 'no']
  const child = spawn('redis-server', settings.map(String), { stdio: 'ignore' })
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw new Error('no redis-server', { cause: error })
  }
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    if (child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  if (!(await answers(port, child))) throw new Error('redis-server did not start')
  return { port, url: (host = '127.0.0.1') => `redis://${host}:${port}`, stop }
}
