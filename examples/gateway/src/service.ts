// A gateway with its server and its page, from start to end.
import { Gateway, type GatewayOptions } from './gateway.js'
import { textOf, type Log } from './log.js'
import { assemble } from './page/assemble.js'
import { Page } from './page/routes.js'
import { Watch } from './page/watch.js'
import { listen } from './server.js'

export interface ServiceOptions extends GatewayOptions {
  /** 0: any that is free. */
  readonly port: number
}

export interface Service {
  readonly url: string
  close(reason: unknown): Promise<void>
}

export async function serve({ port, ...options }: ServiceOptions): Promise<Service> {
  // First, so that it sees whose locks were left behind.
  const watch = new Watch({ log: ({ kind, path, text }) => options.log(kind, { path, text }) })
  const gateway = await Gateway.open(options)
  const page = new Page(() => assemble(watch, gateway.state))
  const server = await listen(gateway, page, port, options.log)
  return {
    url: server.url,
    close: async (reason) => {
      const answered = server.close() // first, so that nobody is promised anything by a gateway that ends
      page.close()
      await gateway.close(reason)
      await answered
      watch.close()
    },
  }
}

/**
 * A rejection that nobody hears is told, and the gateway goes on: what its run held ends with the run's lane. An exception
 * that nobody catches ends the process, which frees what it holds first, for those who wait.
 */
export function onLastResort(log: Log, releaseAll: (reason: unknown) => void): void {
  process.on('unhandledRejection', (error) => log('unhandledRejection', { error: textOf(error) }))
  process.on('uncaughtException', (error) => {
    releaseAll(error)
    log('uncaughtException', { error: textOf(error) })
    process.exit(1)
  })
}
