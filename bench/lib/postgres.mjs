// A PostgreSQL server for one row: a cluster made by initdb in a temporary folder, with the settings it has by itself. The
// server refuses to be root, so it runs as nobody where the benchmark does.
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { answers, freePort } from './ports.mjs'

const VERSIONS = '/usr/lib/postgresql'
const NOBODY = { uid: 65534, gid: 65534 }
const who = process.getuid?.() === 0 ? NOBODY : {}

/** Resolves to { port, url(host), stop() }. Rejects with what a table shows where there is no such server. */
export async function startPostgres() {
  const binaries = newestBinaries()
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pg-'))
  if (who.uid !== undefined) chownSync(folder, who.uid, who.gid)
  const data = join(folder, 'data')
  const options = ['--auth=trust', '--username=holdfast', '--encoding=UTF8', '--locale=C', '-D', data]
  const made = spawnSync(join(binaries, 'initdb'), options, { ...who, cwd: folder })
  if (made.status !== 0) throw new Error('initdb failed')
  // Whoever is on a network of this machine.
  appendFileSync(join(data, 'pg_hba.conf'), 'host all all samenet trust\n')
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=*', `unix_socket_directories=${folder}`]
  const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
  const child = spawn(join(binaries, 'postgres'), args, { ...who, cwd: folder, stdio: 'ignore' })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
  if (!(await answers(port, child))) {
    await stop()
    throw new Error('the PostgreSQL server did not start')
  }
  return { port, url: (host = '127.0.0.1') => `postgres://holdfast@${host}:${port}/postgres`, stop }
}

function newestBinaries() {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(VERSIONS, version, 'bin'))
  const found = folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
  if (found === undefined) throw new Error(`no PostgreSQL server below ${VERSIONS}`)
  return found
}
