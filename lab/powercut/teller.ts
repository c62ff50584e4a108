// The guest's side of its line to the host. A message is one write, so those of several processes do not mix.
import { writeSync } from 'node:fs'

import type { Message, Stage } from './messages.js'

/** What the driver of the line takes at once. */
const PIECE = 32 * 1024

export class Teller {
  private readonly file: number

  constructor(file: number) {
    this.file = file
  }

  tell(message: Message): void {
    this.write(Buffer.from(`${JSON.stringify(message)}\n`))
  }

  /** Only while nobody else tells anything: it is more than one write. */
  tellFile(stage: Stage, name: string, bytes: Buffer): void {
    this.tell({ kind: 'file', stage, name, size: bytes.length })
    this.write(bytes)
  }

  private write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.file, bytes, at, Math.min(PIECE, bytes.length - at))
  }
}
