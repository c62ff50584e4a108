// Where a lock was acquired: the stack of the call, for error messages and leaks.
//
// The text is made when somebody asks, or once the hold turns out to last: until then the stack refers to the objects that
// called, and they must not be kept alive by a lock they forgot.

/** The frames of this package are at the top. */
const FRAMES = 20
const MOST_LINES = 4

/** Its functions, and those of the language, stand between the frames of this package. */
const OF_NODE = /\(<anonymous>\)$|[ (]node:/

const OWN_FOLDER = new URL('.', import.meta.url).pathname

/** Whether every acquire keeps its stack. */
export const tracesAll = traceWanted()

function traceWanted(): boolean {
  try {
    return process.env['HOLDFAST_TRACE'] === '1'
  } catch {
    return false // Deno: to look at the environment is a permission of its own
  }
}

/** Never throws and never answers anything but text, whatever the program has made of Error. */
export class AcquiredAt {
  private raw: Error | null
  private lines: string | null = null

  constructor() {
    const { stackTraceLimit } = Error
    Reflect.set(Error, 'stackTraceLimit', FRAMES) // which is refused where Error is frozen
    this.raw = new Error()
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }

  /** Lets go of everything but the text. */
  settle(): void {
    if (this.raw === null) return
    this.lines = callers(stackOf(this.raw))
    this.raw = null
  }

  /** Lines as in a stack, the caller's first; null where there are none. */
  get text(): string | null {
    this.settle()
    return this.lines
  }
}

/** Error.prepareStackTrace is the program's: it may answer with anything, or throw. */
function stackOf(error: Error): string {
  try {
    const stack: unknown = error.stack
    return typeof stack === 'string' ? stack : ''
  } catch {
    return ''
  }
}

/** In a bundle everything is in one file, and nothing can be told apart: then all of it. */
function callers(stack: string): string | null {
  const lines = stack.split('\n').filter((line) => /^\s+at /.test(line) && !OF_NODE.test(line))
  const first = lines.findIndex((line) => !line.includes(OWN_FOLDER))
  const callers = first === -1 ? lines : lines.slice(first, first + MOST_LINES)
  return callers.length === 0 ? null : callers.map((line) => line.trim()).join('\n')
}
