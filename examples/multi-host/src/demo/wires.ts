// Hosts where there are no network namespaces: all on this machine, but each reaches the database through a wire that can go
// silent. A wire passes on bytes; while it is cut it passes on nothing, and after the server's patience it ends the server's
// side, as the server's kernel would.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

import type { Place } from './database.js'
import type { Host, Network } from './network.js'

export class Wires implements Network, Place {
  readonly address = '127.0.0.1'
  readonly range = '127.0.0.1/32'
  readonly what: string
  private readonly patience: number
  private readonly servers: Server[] = []
  private readonly wires = new Set<Wire>()

  constructor(why: string, patience: number) {
    this.what = `hosts are wires to the database, for ${why}`
    this.patience = patience
  }

  async host(name: string, database: string): Promise<Host> {
    let whole = true
    let timer: NodeJS.Timeout | undefined
    const wires = new Set<Wire>()
    const server = createServer((near) => {
      const wire = new Wire(near, new URL(database))
      for (const set of [wires, this.wires]) set.add(wire)
      if (!whole) wire.silence()
    })
    this.servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const url = new URL(database)
    url.host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    return {
      name,
      url: url.href,
      prefix: [],
      cut: () => {
        whole = false
        for (const wire of wires) wire.silence()
        timer = setTimeout(() => {
          for (const wire of wires) wire.forget()
        }, this.patience)
      },
      heal: () => {
        whole = true
        clearTimeout(timer)
        for (const wire of wires) wire.speak()
      },
    }
  }

  end(): void {
    for (const server of this.servers) server.close()
    for (const wire of this.wires) wire.end()
  }
}

class Wire {
  private readonly near: Socket
  private readonly far: Socket
  private silent = false

  constructor(near: Socket, { hostname, port }: URL) {
    this.near = near
    this.far = connect(Number(port || 5432), hostname)
    for (const [from, to] of [
      [near, this.far],
      [this.far, near],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('error', () => {})
      from.on('close', () => {
        if (!this.silent) to.destroy()
      })
    }
  }

  silence(): void {
    this.silent = true
    this.near.pause()
    this.far.pause()
  }

  /** The server gives it up. */
  forget(): void {
    this.far.destroy()
  }

  speak(): void {
    this.silent = false
    if (this.far.destroyed || this.near.destroyed) this.end()
    this.near.resume()
    this.far.resume()
  }

  end(): void {
    this.near.destroy()
    this.far.destroy()
  }
}
