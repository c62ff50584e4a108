// The lines that writers write, and whether a file has them: all, once, whole, and those of each lane in their order.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** So that every line of one size has as much text. */
const FIRST_LANE = 1000
const FIRST_NUMBER = 1_000_000

/** Makes the values of lines of `size` bytes, newline included. */
export function lineMaker(size) {
  const bare = JSON.stringify({ lane: FIRST_LANE, n: FIRST_NUMBER, text: '' }).length + 1
  const text = 'x'.repeat(size - bare)
  return (lane, n) => ({ lane: FIRST_LANE + lane, n: FIRST_NUMBER + n, text })
}

/** Throws unless `lines` are those that `counts`, pairs of a lane and its number of lines, tell of. */
export async function verifyLines(lines, counts, size) {
  const next = new Map(counts.map(([lane]) => [FIRST_LANE + lane, FIRST_NUMBER]))
  for await (const line of lines) {
    if (line.length + 1 !== size) throw new Error(`wrong file: a line of ${line.length + 1} bytes`)
    const { lane, n } = JSON.parse(line)
    if (n !== next.get(lane)) throw new Error(`wrong file: line ${n} of lane ${lane} instead of ${next.get(lane)}`)
    next.set(lane, n + 1)
  }
  for (const [lane, count] of counts) {
    const found = next.get(FIRST_LANE + lane) - FIRST_NUMBER
    if (found !== count) throw new Error(`wrong file: ${found} lines of lane ${lane}, and ${count} were acknowledged`)
  }
}

/** The lines after the first `skip` bytes. */
export function linesOf(path, skip = 0) {
  return createInterface({ input: createReadStream(path, { start: skip, encoding: 'latin1', highWaterMark: 1 << 20 }) })
}
