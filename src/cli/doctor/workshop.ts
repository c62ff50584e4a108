// A folder for trials inside the one that is asked about, and the processes of the trials. Both are gone afterwards, however
// this process ends, but for SIGKILL; the processes then end by themselves.
import { mkdtempSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

import { EXIT } from '../exit-codes.js'
import { releaseAll } from '../../index.js'
import { Peer } from './peer.js'

const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Workshop {
  readonly folder: string
  readonly #peers: Peer[] = []

  constructor(folder: string) {
    this.folder = mkdtempSync(join(folder, '.holdfast-doctor-'))
    process.on('exit', this.#tidy)
    for (const signal of INTERRUPTIONS) process.on(signal, this.#interrupted)
  }

  readonly peer = async (): Promise<Peer> => {
    const peer = await Peer.start()
    this.#peers.push(peer)
    return peer
  }

  close(): void {
    this.#tidy()
    process.off('exit', this.#tidy)
    for (const signal of INTERRUPTIONS) process.off(signal, this.#interrupted)
  }

  readonly #tidy = (): void => {
    for (const peer of this.#peers) peer.kill()
    releaseAll() // Windows deletes no open files
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  readonly #interrupted = (signal: (typeof INTERRUPTIONS)[number]): void => {
    process.exit(EXIT.signal + constants.signals[signal])
  }
}
