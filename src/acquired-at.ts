// Where a lock was acquired: the stack of the call, for error messages and leaks.
//
// The text is made when somebody asks, or once the hold turns out to last: until then the stack refers to the objects that
// called, and they must not be kept alive by a lock they forgot.

/** The frames of this package are at the top. */
const FRAMES = 12
const MOST_LINES = 4

const OWN_FOLDER = new URL('.', import.meta.url).href

/** Whether every acquire keeps its stack. */
export const tracesAll = process.env['HOLDFAST_TRACE'] === '1'

export class AcquiredAt {
  private raw: Error | null
  private lines = ''

  constructor() {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = FRAMES
    this.raw = new Error()
    Error.stackTraceLimit = stackTraceLimit
  }

  /** Lets go of everything but the text. */
  settle(): void {
    if (this.raw === null) return
    this.lines = callers(this.raw.stack ?? '')
    this.raw = null
  }

  /** Lines as in a stack, the caller's first. */
  get text(): string {
    this.settle()
    return this.lines
  }
}

function callers(stack: string): string {
  const lines = stack.split('\n').filter((line) => /^\s+at /.test(line))
  // Node's own functions, like the constructor of Promise, stand between those of this package.
  const first = lines.findIndex((line) => !line.includes(OWN_FOLDER) && !line.endsWith('(<anonymous>)'))
  return lines
    .slice(Math.max(first, 0), Math.max(first, 0) + MOST_LINES)
    .map((line) => line.trim())
    .join('\n')
}
