// What the guest tells the host, in order, on a line of its own each; some are followed by the bytes of a file.

/** Of a promise that has resolved: the lane's lines, or updates, up to this number. */
export interface Acknowledged {
  readonly kind: 'acknowledged'
  readonly lane: string
  readonly number: number
}

export type Stage = 'found' | 'repaired'

export type Message =
  | { readonly kind: 'started'; readonly kernel: string; readonly cache: string }
  | { readonly kind: 'file'; readonly stage: Stage; readonly name: string; readonly size: number }
  /** Of a lock file of an earlier boot: whether it was free at once. */
  | { readonly kind: 'lock'; readonly name: string; readonly free: boolean }
  /** What the product's own readers see. */
  | { readonly kind: 'read'; readonly values: number; readonly damaged: number; readonly stored: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly why: string }
  | Acknowledged

export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
}

const NEWLINE = 10

/** Takes the stream apart. A last line that was cut off is nothing. */
export class Reader {
  private bytes: Buffer = Buffer.alloc(0)
  private readonly tell: (message: Message, content: Buffer) => void
  private waiting: { readonly message: Message; readonly size: number } | null = null

  constructor(tell: (message: Message, content: Buffer) => void) {
    this.tell = tell
  }

  push(chunk: Buffer): void {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk])
    while (this.next());
  }

  private next(): boolean {
    if (this.waiting !== null) {
      const { message, size } = this.waiting
      if (this.bytes.length < size) return false
      this.waiting = null
      this.tell(message, this.taken(size))
      return true
    }
    const end = this.bytes.indexOf(NEWLINE)
    if (end < 0) return false
    const message: unknown = JSON.parse(this.taken(end + 1).toString())
    if (!isMessage(message)) throw new Error('Expected a message of the guest')
    if (message.kind === 'file') this.waiting = { message, size: message.size }
    else this.tell(message, Buffer.alloc(0))
    return true
  }

  private taken(size: number): Buffer {
    const taken = this.bytes.subarray(0, size)
    this.bytes = this.bytes.subarray(size)
    return taken
  }
}
