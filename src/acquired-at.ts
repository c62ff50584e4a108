// Where a lock was acquired: the stack of the call, for error messages and leaks.
//
// The text is made when somebody asks, or once the hold turns out to last: until then the stack refers to the objects that
// called, and they must not be kept alive by a lock they forgot.

/** The frames of this package are at the top. */
const FRAMES = 20
const MOST_LINES = 4

/** Its functions, and those of the language, stand between the frames of this package. */
const OF_NODE = /\(<anonymous>\)$|[ (]node:/

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
  const first = lines.findIndex((line) => !line.includes(OWN_FOLDER) && !OF_NODE.test(line))
  if (first === -1) return ''
  const callers = lines.slice(first, first + MOST_LINES)
  return callers.map((line) => line.trim()).join('\n')
}
