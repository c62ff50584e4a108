// What a check finds: the first ones in words, and how many there were.
const TOLD = 10

export class Violations {
  readonly title: string
  readonly told: string[] = []
  count = 0

  /** The title is a claim that is false if anything is found. */
  constructor(title: string) {
    this.title = title
  }

  add(text: () => string): void {
    this.count++
    if (this.told.length < TOLD) this.told.push(text())
  }
}
