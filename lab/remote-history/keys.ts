// Which locks of the database stand for which names: what docs say of it, once more, so that the product is not asked.
import { createHash } from 'node:crypto'

import type { Plan } from '../history/plan.js'
import { NAMESPACE } from './plan.js'

export interface Named {
  readonly file: number
  readonly name: string
  /** Who asks for the lock goes through the turnstile first. */
  readonly which: 'lock' | 'turnstile'
}

export class Keys {
  private readonly named = new Map<string, Named>()

  constructor({ files }: Plan) {
    for (const [file, { path: name }] of files.entries()) {
      const digest = createHash('sha256').update(`${NAMESPACE}\0${name}`).digest()
      for (const [which, at] of [
        ['lock', 0],
        ['turnstile', 8],
      ] as const) {
        this.named.set(`${digest.readUInt32BE(at)} ${digest.readUInt32BE(at + 4)}`, { file, name, which })
      }
    }
  }

  find({ classid, objid }: { readonly classid: string; readonly objid: string }): Named | null {
    return this.named.get(`${classid} ${objid}`) ?? null
  }
}
