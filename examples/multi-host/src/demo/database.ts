// A PostgreSQL server of the demo's own, in a temporary folder. It refuses to be root, so it runs as nobody where the demo does.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import pg from 'pg'

import { until } from './until.js'

const VERSIONS = '/usr/lib/postgresql'
const NOBODY = { uid: 65534, gid: 65534 }
const who = process.getuid?.() === 0 ? NOBODY : null

export const PLACES = `a folder of ${VERSIONS} or of PATH`

/** The folder with its programs; null where they are not installed. */
export function findBinaries(only?: string): string | null {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : []
  const known = [
    ...versions.map((version) => join(VERSIONS, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  const folders = only === undefined ? known : [only]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name)))) ?? null
}

/** Where it is reached from. */
export interface Place {
  /** Of this machine. */
  readonly address: string
  /** Whose addresses need no password. */
  readonly range: string
}

export class Database {
  readonly port: number
  private readonly folder: string
  private readonly process: ChildProcess

  private constructor(port: number, folder: string, process: ChildProcess) {
    this.port = port
    this.folder = folder
    this.process = process
  }

  static async start(binaries: string, { address, range }: Place): Promise<Database> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-multi-host-'))
    if (who !== null) chownSync(folder, who.uid, who.gid)
    const data = join(folder, 'data')
    const how = ['--no-sync', '--auth=trust', '--username=holdfast', '--encoding=UTF8', '--locale=C', '-D', data]
    const made = spawnSync(join(binaries, 'initdb'), how, { ...who, cwd: folder })
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr.toString()}`)
    appendFileSync(join(data, 'pg_hba.conf'), `host all all ${range} trust\n`)
    const port = await freePort()
    const settings = [
      `port=${port}`,
      `listen_addresses=127.0.0.1,${address}`,
      `unix_socket_directories=${folder}`,
      'shared_buffers=16MB',
    ]
    const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])]
    const child = spawn(join(binaries, 'postgres'), args, { ...who, cwd: folder, stdio: 'ignore' })
    const database = new Database(port, folder, child)
    process.once('exit', () => database.remove())
    await until('the database answers', () => database.answers())
    return database
  }

  get url(): string {
    return `postgres://holdfast@127.0.0.1:${this.port}/postgres`
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit')
    this.process.kill('SIGINT')
    await ended
    this.remove()
  }

  private remove(): void {
    this.process.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  private async answers(): Promise<boolean> {
    const client = new pg.Client(this.url)
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return true
    } catch {
      return false
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
