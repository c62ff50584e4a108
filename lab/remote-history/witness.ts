// The witness: a number in a table of the same database, which only who has the largest fence may write. It is read and written
// back in two statements, so whoever is alone loses nothing; and whoever is not alone any more, but does not know that yet, is
// refused: so no number comes twice, whatever is done to sessions and processes. It goes by a socket of the machine, so a host
// that is cut off from its locks can still write.
//
// A holder registers its fence when it reads. A `where fence <= ...` when it writes would not do: who lost its lock could write
// between the reading and the writing of who has it now.
import { Socket } from 'node:net'

import pg from 'pg'

import type { RemotePlan } from './plan.js'

/** The server has so long for an answer. */
const PATIENCE = 2000

export const CREATE_WITNESS = 'create table witness (file int primary key, value bigint, fence bigint)'
export const FILL_WITNESS = (files: number): string =>
  `insert into witness select file, 0, 0 from generate_series(0, ${files - 1}) file`
export const READ_WITNESS = 'select file, value from witness'

export class FencedWitness {
  private readonly socket: RemotePlan['socket']
  private connection: Promise<Connection> | null = null
  private last: Promise<unknown> = Promise.resolve()

  constructor(socket: RemotePlan['socket']) {
    this.socket = socket
  }

  /** The number, once nobody with a smaller fence can write it any more; null where that is not to be had. */
  async read(file: number, fence: number): Promise<number | null> {
    const text = `update witness set fence = ${fence} where file = ${file} and fence <= ${fence} returning value`
    try {
      const [value] = await this.ask(text)
      return value ?? null
    } catch {
      return null
    }
  }

  /** Without a lock or a fence: for planted bugs. */
  async peek(file: number): Promise<number | null> {
    const [value] = await this.ask(`select value from witness where file = ${file}`).catch(() => [])
    return value ?? null
  }

  /** `fence` null: whoever may have it. */
  async write(file: number, fence: number | null, value: number): Promise<'written' | 'refused' | 'unknown'> {
    const still = fence === null ? '' : ` and fence = ${fence}`
    try {
      const rows = await this.ask(`update witness set value = ${value} where file = ${file}${still} returning value`)
      return rows.length > 0 ? 'written' : 'refused'
    } catch {
      return 'unknown'
    }
  }

  async close(): Promise<void> {
    await this.connection?.then((connection) => connection.destroy()).catch(() => {})
  }

  /** One after another. */
  private async ask(text: string): Promise<number[]> {
    const answer = this.last.then(() => this.askNow(text))
    this.last = answer.catch(() => {})
    return await answer
  }

  private async askNow(text: string): Promise<number[]> {
    this.connection ??= Connection.open(this.socket)
    const { connection } = this
    try {
      return await (await connection).ask(text)
    } catch (error) {
      if (this.connection === connection) this.connection = null
      void connection.then((broken) => broken.destroy()).catch(() => {})
      throw error
    }
  }
}

class Connection {
  private readonly client: pg.Client
  private readonly socket: Socket

  private constructor(client: pg.Client, socket: Socket) {
    this.client = client
    this.socket = socket
  }

  static async open({ host, port }: RemotePlan['socket']): Promise<Connection> {
    const socket = new Socket()
    const client = new pg.Client({
      ...{ host, port, user: 'holdfast', database: 'postgres', application_name: 'witness' },
      ...{ connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE },
      stream: () => socket,
    })
    client.on('error', () => {})
    try {
      await client.connect()
    } catch (error) {
      socket.destroy()
      throw error
    }
    return new Connection(client, socket)
  }

  /** The column `value` of each row. */
  async ask(text: string): Promise<number[]> {
    const { rows } = await this.client.query<{ value: string }>(text)
    return rows.map(({ value }) => Number(value))
  }

  destroy(): void {
    this.socket.destroy()
  }
}
