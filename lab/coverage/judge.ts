// Holds the lines that nothing reached against the reasons given for them in unreached.ts.
import { linesOf, type FileLines, type Line } from './lines.js'

/** Why no suite reaches some lines here. */
export interface Excuse {
  readonly file: string
  /** The line right above, for lines that the file has more than once. */
  readonly under?: string
  /** One below the other, without what they are indented by. None: the whole file, which is not built on this system. */
  readonly lines: readonly string[]
  readonly why: string
  /** Which of two things happens first decides: reached in some runs only. */
  readonly sometimes?: true
}

export interface Verdict {
  /** No reason is given for them. */
  readonly unexplained: readonly Line[]
  readonly explained: readonly { readonly line: Line; readonly excuse: Excuse }[]
  /** They excuse what is reached, or what is not there; each with what is wrong. */
  readonly stale: readonly { readonly excuse: Excuse; readonly problem: string }[]
}

export function judge(files: readonly FileLines[], absent: readonly string[], excuses: readonly Excuse[]): Verdict {
  const places = excuses.map((excuse) => ({ excuse, ...find(excuse, files, absent) }))
  const unreached = files.flatMap((file) => linesOf(file, false))
  const explained = unreached.flatMap((line) => {
    const place = places.find(({ excuse, numbers }) => excuse.file === line.file && numbers.includes(line.number))
    return place === undefined ? [] : [{ line, excuse: place.excuse }]
  })
  const lines = new Set(explained.map(({ line }) => line))
  const excused = new Set(excuses.filter(({ lines }) => lines.length === 0).map(({ file }) => file))
  return {
    unexplained: [
      ...unreached.filter((line) => !lines.has(line)),
      ...absent.filter((file) => !excused.has(file)).map((file) => ({ file, number: 0, text: 'the whole file' })),
    ],
    explained,
    stale: places.flatMap(({ excuse, problem }) => (problem === null ? [] : [{ excuse, problem }])),
  }
}

interface Place {
  readonly numbers: readonly number[]
  readonly problem: string | null
}

function find(excuse: Excuse, files: readonly FileLines[], absent: readonly string[]): Place {
  const { file: name, under, lines, sometimes } = excuse
  const file = files.find((one) => one.file === name)
  if (lines.length === 0) {
    return { numbers: [], problem: absent.includes(name) ? null : 'the file is built here, or there is none' }
  }
  if (file === undefined) return { numbers: [], problem: 'there is no such file' }
  const texts = file.texts.map((text) => text.trim())
  const block = under === undefined ? lines : [under, ...lines]
  const starts = texts.flatMap((_, at) => (block.every((line, index) => texts[at + index] === line) ? [at] : []))
  const [start] = starts
  if (start === undefined) return { numbers: [], problem: 'there are no such lines' }
  if (starts.length > 1) return { numbers: [], problem: 'the file has these lines more than once' }
  const first = start + block.length - lines.length + 1
  const numbers = lines.map((_, index) => first + index)
  const reached = numbers.filter((number) => file.reached.get(number) === true)
  const problem = reached.length > 0 && sometimes !== true ? `reached: line ${reached.join(', ')}` : null
  return { numbers, problem }
}
