// What is going on, on one line that is written over; or on lines of its own, where nobody watches a terminal.

export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const ERASED = '\r\x1b[K'

export class Progress {
  private readonly stream: ProgressStream
  private shown = ''

  constructor(stream: ProgressStream) {
    this.stream = stream
  }

  tell(text: string): void {
    if (text === this.shown) return
    this.shown = text
    // The last column is left free: a character there moves some terminals to the next line.
    if (this.stream.isTTY === true) this.stream.write(ERASED + text.slice(0, (this.stream.columns ?? 80) - 1))
    else this.stream.write(`${text}\n`)
  }

  /** Leaves the line free for something else. */
  end(): void {
    if (this.stream.isTTY === true && this.shown !== '') this.stream.write(ERASED)
    this.shown = ''
  }
}
