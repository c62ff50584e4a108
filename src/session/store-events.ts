// What operators are told of stores that were not as they should be.
import { Topic } from '../channels.js'

/** `holdfast:store` */
export interface StoreEvent {
  /** `unreadable`: the file could not be read, so its bytes were kept in `aside`, and the store begins anew. */
  kind: 'unreadable'
  path: string
  /** How many there were. */
  bytes: number
  aside: string
  /** Why it could not be read. */
  cause: unknown
}

const stores = new Topic<StoreEvent>('holdfast:store')

export function tellStore(event: StoreEvent): void {
  if (stores.wanted) stores.publish(event)
}
