// A PostgreSQL server of one's own, in a temporary folder: a cluster made by initdb, on a port of the loopback interface. The
// server refuses to be root, so it runs as nobody where this process is. Tests use it as well: test/postgres/server.ts.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import pg from 'pg'

const VERSIONS = '/usr/lib/postgresql'
const NOBODY = { uid: 65534, gid: 65534 }
/** A server that has not answered by then never will. */
const PATIENCE = 20_000
const who = process.getuid?.() === 0 ? NOBODY : null

const binaries = newestBinaries()

/** What this machine has. */
export const server = { name: `a PostgreSQL server below ${VERSIONS}`, there: binaries !== null }
export const baseBackup = { name: 'pg_basebackup', there: existsSync(binary('pg_basebackup')) }

/** What HOLDFAST_POSTGRES names, or the newest of this system. */
function newestBinaries(): string | null {
  const { HOLDFAST_POSTGRES: named } = process.env
  if (named !== undefined) return named
  if (!existsSync(VERSIONS)) return null
  const folders = readdirSync(VERSIONS)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS, version, 'bin'))
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null
}

export class PostgresServer {
  readonly port: number
  readonly folder: string
  private readonly settings: readonly string[]
  private process: ChildProcess | null = null

  private constructor(folder: string, port: number, settings: readonly string[]) {
    this.folder = folder
    this.port = port
    this.settings = settings
  }

  /** `settings` as `name=value`, besides those of every one. */
  static async start(...settings: string[]): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-pg-'))
    if (who !== null) chownSync(folder, who.uid, who.gid)
    const options = ['--no-sync', '--auth=trust', '--username=holdfast', '--encoding=UTF8', '--locale=C']
    const made = spawnSync(binary('initdb'), [...options, '-D', join(folder, 'data')], { ...who, cwd: folder })
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr.toString()}`)
    // Whoever is on a network of this machine.
    appendFileSync(join(folder, 'data', 'pg_hba.conf'), 'host all all samenet trust\n')
    const server = new PostgresServer(folder, await freePort(), settings)
    await server.run()
    return server
  }

  /** Another server that follows this one. */
  async standby(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-pg-'))
    if (who !== null) chownSync(folder, who.uid, who.gid)
    const options = ['-D', join(folder, 'data'), '-R', '-X', 'stream', '--no-sync', '-c', 'fast', '-d', this.url]
    const made = spawnSync(binary('pg_basebackup'), options, { ...who, cwd: folder })
    if (made.status !== 0) throw new Error(`pg_basebackup: ${made.stderr.toString()}`)
    const server = new PostgresServer(folder, await freePort(), this.settings)
    await server.run()
    return server
  }

  get url(): string {
    return `postgres://holdfast@127.0.0.1:${this.port}/postgres`
  }

  /** Starts the server process; resolves when it answers. */
  async run(): Promise<void> {
    const settings = [
      `port=${this.port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.folder}`,
      'fsync=off',
      'shared_buffers=16MB',
      'max_wal_senders=0',
      'wal_level=minimal',
      ...this.settings,
    ]
    const args = ['-D', join(this.folder, 'data'), ...settings.flatMap((setting) => ['-c', setting])]
    const child = spawn(binary('postgres'), args, { ...who, cwd: this.folder, stdio: 'ignore' })
    process.once('exit', () => child.kill('SIGKILL'))
    this.process = child
    for (const end = performance.now() + PATIENCE; !(await this.answers());) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
      if (performance.now() > end) throw new Error('the server does not answer')
      await pause(2)
    }
  }

  /** `SIGINT` ends it at once and in order, `SIGQUIT` as a crash does. */
  async end(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const child = this.process
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async stop(): Promise<void> {
    await this.end()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async answers(): Promise<boolean> {
    return await this.query('select 1').then(
      () => true,
      () => false,
    )
  }

  /** On a connection of its own. */
  async query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const client = new pg.Client(this.url)
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }

  /** How many advisory locks anybody has or waits for. */
  async locks(): Promise<number> {
    const [row] = await this.query<{ count: string }>(`select count(*) from pg_locks where locktype = 'advisory'`)
    return Number(row?.count)
  }
}

function binary(name: string): string {
  return join(binaries ?? '', name)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
