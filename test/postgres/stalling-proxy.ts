// A wire between a client and the server that can go silent: nothing is passed on any more, and nothing is closed.
import { connect, createServer, type Server, type Socket } from 'node:net'

import { onTestFinished } from 'vitest'

export class StallingProxy {
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private stalled = false

  private constructor(port: number) {
    this.server = createServer((near) => {
      const far = connect(port, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from)
        from.on('data', (bytes) => {
          if (!this.stalled) to.write(bytes)
        })
        from.on('close', () => {
          if (!this.stalled) to.destroy()
        })
        from.on('error', () => {})
      }
    })
  }

  static async start(port: number): Promise<StallingProxy> {
    const proxy = new StallingProxy(port)
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => proxy.stop())
    return proxy
  }

  url(direct: string): string {
    const address = this.server.address()
    const url = new URL(direct)
    url.port = String(typeof address === 'object' ? address?.port : '')
    return url.href
  }

  stall(): void {
    this.stalled = true
  }

  /** Closes everything. */
  stop(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }
}
