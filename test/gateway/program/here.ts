// A gateway in this process, on real files.
import { onTestFinished } from 'vitest'

import type { Files } from '../../../examples/gateway/src/files.js'
import { Gateway, type GatewayOptions } from '../../../examples/gateway/src/gateway.js'
import type { Log } from '../../../examples/gateway/src/log.js'
import { openFiles } from '../../../examples/gateway/src/session-files.js'
import { scratch } from '../../helpers/scratch.js'
import { Model } from './model.js'

export interface Logged {
  readonly event: string
  readonly details: Readonly<Record<string, unknown>>
}

export interface Here {
  readonly folder: string
  readonly gateway: Gateway
  readonly model: Model
  readonly files: Files
  readonly logged: readonly Logged[]
}

export type HereOptions = Partial<Omit<GatewayOptions, 'provider' | 'log'>> & { readonly model?: Model }

/** Without compactions, unless they are asked for. */
export async function gatewayHere({ model = new Model(), ...options }: HereOptions = {}): Promise<Here> {
  const folder = options.folder ?? scratch()
  const files = options.files ?? (await openFiles(folder))
  const logged: Logged[] = []
  const log: Log = (event, details = {}) => void logged.push({ event, details })
  const rest = { compactEvery: 1_000_000, ...options }
  const gateway = await Gateway.open({ ...rest, folder, files, provider: model, log })
  onTestFinished(() => gateway.close(new Error('the test is over')))
  return { folder, gateway, model, files, logged }
}

/** Resolves when the message is on the device. */
export function say({ gateway }: Here, session: string, key: string, text = `says ${key}`): Promise<void> {
  return gateway.accept(session, { key, text })
}
