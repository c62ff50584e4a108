// A list whose members carry the links: in order of arrival, and a member comes and goes without an allocation. A Set
// does the same, but one that fills and empties all the time rebuilds its table each time.

export interface Linked<T> {
  list: object | null
  next: T | null
  previous: T | null
}

export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  first: T | null = null
  size = 0
  private last: T | null = null

  add(member: T): void {
    member.list = this
    member.previous = this.last
    member.next = null
    if (this.last === null) this.first = member
    else this.last.next = member
    this.last = member
    this.size++
  }

  /** Harmless for one that is not, or no longer, a member. */
  delete(member: T): void {
    if (member.list !== this) return
    if (member.previous === null) this.first = member.next
    else member.previous.next = member.next
    if (member.next === null) this.last = member.previous
    else member.next.previous = member.previous
    member.list = member.next = member.previous = null
    this.size--
  }

  /** Backwards: those before `member`, nearest first. */
  *before(member: T): Iterable<T> {
    for (let other = member.previous; other !== null; other = other.previous) yield other
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let member = this.first; member !== null; member = member.next) yield member
  }
}
