// Line charts under each other, over one axis of time, as SVG text. One set of colours that reads on white and on near-black
// alike, because a picture in a page cannot know the page's theme; no background.

/** One look at one process. What could not be seen is null. */
export interface Sample {
  /** Milliseconds since the beginning. */
  readonly at: number
  /** Its part in the whole: there is a line for each. */
  readonly process: string
  /** Another one where the process was restarted: a line is not drawn across that. */
  readonly life: number
  /** Bytes. */
  readonly memory: number | null
  readonly descriptors: number | null
  readonly threads: number | null
  /** Milliseconds: of all waits since the look before. */
  readonly longestWait: number | null
}

/** Something happened. */
export interface Mark {
  /** Milliseconds since the beginning. */
  readonly at: number
  readonly label: string
}

const TEXT = '#6e7781'
const LINES = ['#2f81f7', '#d29922'] as const
const MARK = '#e5534b'

const WIDTH = 800
const LEFT = 70
const RIGHT = 20
const ROOM = WIDTH - LEFT - RIGHT
const HEAD = 62
const CHART = 90
const TITLE = 26
const FOOT = 30
/** Of the labels of marks. */
const CHARACTER = 6.5

interface Chart {
  readonly name: string
  readonly unit: string
  readonly of: (sample: Sample) => number | null
}

const CHARTS: readonly Chart[] = [
  { name: 'memory', unit: 'MiB', of: ({ memory }) => (memory === null ? null : memory / 2 ** 20) },
  { name: 'descriptors', unit: '', of: ({ descriptors }) => descriptors },
  { name: 'threads', unit: '', of: ({ threads }) => threads },
  { name: 'longest wait', unit: 'ms', of: ({ longestWait }) => longestWait },
]

interface Point {
  readonly at: number
  readonly value: number
}

/** One process in one chart: a stretch for each time without a gap. */
interface Drawn {
  readonly colour: string
  readonly process: string
  readonly stretches: readonly (readonly Point[])[]
}

/** Memory, descriptors, threads and the longest wait of up to two processes, with a line down through all for each mark. */
export function plot(title: string, samples: readonly Sample[], marks: readonly Mark[]): string {
  const processes = [...new Set(samples.map(({ process }) => process))]
  if (processes.length > LINES.length) throw new RangeError(`a plot is for ${LINES.length} processes at most`)
  const duration = Math.max(1, ...samples.map(({ at }) => at), ...marks.map(({ at }) => at))
  const x = (at: number): number => LEFT + (at / duration) * ROOM

  const drawn = CHARTS.map((chart) => ({
    chart,
    lines: processes.map((name, index) => draw(chart, samples, name, index)),
  }))
  const charts = drawn.map(({ chart, lines }, index) => {
    return chartText(chart, lines, HEAD + index * (TITLE + CHART) + TITLE, x)
  })
  const bottom = HEAD + CHARTS.length * (TITLE + CHART)
  const height = bottom + FOOT
  const label = `${title}, over ${timeText(duration)}. ${drawn.map(({ chart, lines }) => spoken(chart, lines)).join('; ')}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(label)}">
<g font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="12" fill="${TEXT}">
<text x="${LEFT}" y="20" font-size="15" font-weight="600">${escape(title)}</text>
${[legend(processes), ...markTexts(marks, bottom, x), ...charts, ...timeTicks(duration, bottom, x)].join('\n')}
</g>
</svg>
`
}

function draw({ of }: Chart, samples: readonly Sample[], process: string, index: number): Drawn {
  const stretches: Point[][] = []
  let life: number | null = null
  for (const sample of samples) {
    if (sample.process !== process) continue
    const value = of(sample)
    if (value === null || !Number.isFinite(value)) {
      life = null
      continue
    }
    if (life !== sample.life) stretches.push([])
    life = sample.life
    stretches.at(-1)?.push({ at: sample.at, value })
  }
  return { colour: LINES[index] ?? TEXT, process, stretches }
}

function chartText({ name, unit }: Chart, lines: readonly Drawn[], top: number, x: (at: number) => number): string {
  const values = lines.flatMap(({ stretches }) => stretches.flat().map(({ value }) => value))
  const most = roundedUp(values.reduce((most, value) => Math.max(most, value), 0))
  const y = (value: number): number => top + CHART - (value / most) * (CHART - 8)
  const heading = unit === '' ? name : `${name}, ${unit}`
  const grid = [0, most / 2, most].map((value) => {
    const at = y(value).toFixed(1)
    return `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="${TEXT}" stroke-opacity="0.3"/>
<text x="${LEFT - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" font-size="11">${numberText(value)}</text>`
  })
  const drawn = lines.flatMap(({ colour, stretches }) => stretches.map((points) => lineText(points, colour, x, y)))
  const none = `<text x="${LEFT + 8}" y="${top + CHART / 2 + 14}" font-style="italic">not measured here</text>`
  return [
    `<text x="${LEFT}" y="${top - 4}" font-weight="600">${escape(heading)}</text>`,
    ...grid,
    ...(values.length === 0 ? [none] : drawn),
  ].join('\n')
}

/** A single point is drawn as a dot. */
function lineText(points: readonly Point[], colour: string, x: (at: number) => number, y: (value: number) => number) {
  const [first] = points
  if (points.length === 1 && first !== undefined) {
    return `<circle cx="${x(first.at).toFixed(1)}" cy="${y(first.value).toFixed(1)}" r="2" fill="${colour}"/>`
  }
  const path = thinned(points, x).map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`)
  return `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-linejoin="round"/>`
}

/** Of many points in one column of the picture only the lowest and the highest can be seen. */
function thinned(points: readonly Point[], x: (at: number) => number): Point[] {
  const columns = new Map<number, { low: Point; high: Point }>()
  for (const point of points) {
    const column = Math.floor(x(point.at))
    const { low, high } = columns.get(column) ?? { low: point, high: point }
    columns.set(column, { low: point.value < low.value ? point : low, high: point.value > high.value ? point : high })
  }
  return [...columns.values()].flatMap(({ low, high }) => {
    if (low === high) return [low]
    return low.at < high.at ? [low, high] : [high, low]
  })
}

function legend(processes: readonly string[]): string {
  let left = LEFT
  const parts = processes.map((process, index) => {
    const part = `<rect x="${left}" y="31" width="14" height="3" fill="${LINES[index] ?? TEXT}"/>
<text x="${left + 20}" y="36">${escape(process)}</text>`
    left += 20 + Math.ceil(process.length * CHARACTER) + 24
    return part
  })
  return parts.join('\n')
}

/** A label that would stand on the one before it is left out; its line is not. */
function markTexts(marks: readonly Mark[], bottom: number, x: (at: number) => number): string[] {
  let end = -Infinity
  return [...marks]
    .sort((one, other) => one.at - other.at)
    .map(({ at, label }) => {
      const place = x(at)
      const line = `<path d="M${place.toFixed(1)} ${HEAD}V${bottom}" stroke="${MARK}" stroke-opacity="0.6" stroke-dasharray="3 3"/>`
      const half = (label.length * CHARACTER) / 2
      const middle = Math.max(half, Math.min(WIDTH - half, place))
      if (middle - half < end) return line
      end = middle + half + 4
      return `${line}
<text x="${middle.toFixed(1)}" y="${HEAD - 6}" text-anchor="middle" font-size="11" fill="${MARK}">${escape(label)}</text>`
    })
}

function timeTicks(duration: number, bottom: number, x: (at: number) => number): string[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map((seconds) => seconds * 1000)
  const hours = Math.ceil(duration / 6 / 3_600_000) * 3_600_000
  const step = steps.find((milliseconds) => duration / milliseconds <= 6) ?? hours
  return Array.from({ length: Math.floor(duration / step) + 1 }, (_, index) => {
    const place = x(index * step).toFixed(1)
    return `<text x="${place}" y="${bottom + 20}" text-anchor="middle" font-size="11">${timeText(index * step)}</text>`
  })
}

/** For who cannot see it: between which values each line runs. */
function spoken({ name, unit }: Chart, lines: readonly Drawn[]): string {
  const parts = lines.map(({ process, stretches }) => {
    const values = stretches.flat().map(({ value }) => value)
    if (values.length === 0) return `${process} not measured`
    const least = values.reduce((least, value) => Math.min(least, value))
    const most = values.reduce((most, value) => Math.max(most, value))
    return `${process} ${numberText(least)} to ${numberText(most)} ${unit}`.trimEnd()
  })
  return `${name}: ${parts.join(', ')}`
}

/** A digit and zeros, of which the half is whole. */
function roundedUp(value: number): number {
  if (value <= 2) return 2
  const power = 10 ** Math.floor(Math.log10(value))
  return ([2, 4, 6, 8].find((digit) => digit * power >= value) ?? 10) * power
}

function numberText(value: number): string {
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1)
}

function timeText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const parts = [hours > 0 && `${hours} h`, minutes > 0 && `${minutes} min`, seconds % 60 > 0 && `${seconds % 60} s`]
  return parts.filter((part) => part !== false).join(' ') || '0 s'
}

/** Also what XML has no character for. */
function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
