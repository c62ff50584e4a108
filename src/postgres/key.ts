// Which locks of the database stand for a name: two advisory locks, named by 64 bits each.
//
// The lock itself excludes. Whoever asks for it goes through the turnstile first, so that whoever waits there is not
// overtaken: see waiting-room.ts. The lock's number is a contract between versions: the first 8 bytes of SHA-256 over the
// namespace, a zero byte and the name, as a signed number. The next 8 bytes are the turnstile's.
import { createHash } from 'node:crypto'

export interface Key {
  readonly name: string
  /** Signed, in decimal digits, as the database takes it. */
  readonly lock: string
  readonly turnstile: string
  /** Sorts alike in every process. */
  readonly order: string
}

export function keyOf(namespace: string, name: string): Key {
  const digest = createHash('sha256').update(namespace).update('\0').update(name).digest()
  return {
    name,
    lock: String(digest.readBigInt64BE(0)),
    turnstile: String(digest.readBigInt64BE(8)),
    order: digest.toString('hex', 0, 8),
  }
}

/** As many as are remembered at most, of names that were used lately. */
const MOST = 1000

/** keyOf() for one namespace, which remembers: to make a key takes longer than all else that is done for a lock here. */
export class Keys {
  private readonly namespace: string
  private readonly known = new Map<string, Key>()

  constructor(namespace: string) {
    this.namespace = namespace
  }

  of(name: string): Key {
    const known = this.known.get(name)
    if (known !== undefined) return known
    const key = keyOf(this.namespace, name)
    if (this.known.size >= MOST) this.known.clear()
    this.known.set(name, key)
    return key
  }
}

/** How the database shows such a number in pg_locks: two halves without sign. */
export function halves(lock: string): { classid: number; objid: number } {
  const bits = BigInt.asUintN(64, BigInt(lock))
  return { classid: Number(bits >> 32n), objid: Number(bits & 0xffffffffn) }
}
