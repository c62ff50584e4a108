// The plot of a soak: what was measured can be read off it, whatever theme the page has, and by who cannot see it.
import { expect, test } from 'vitest'

import { plot, type Mark, type Sample } from '../../examples/gateway/src/soak/plot.js'

const MIB = 2 ** 20

function sample(at: number, changes: Partial<Sample> = {}): Sample {
  const measured = { memory: 50 * MIB, descriptors: 20, threads: 10, longestWait: 3 }
  return { at, process: 'gateway', life: 1, ...measured, ...changes }
}

const seconds = (count: number, changes: (second: number) => Partial<Sample> = () => ({})): Sample[] =>
  Array.from({ length: count }, (_, second) => sample(second * 1000, changes(second)))

/** The points of each line, from top to bottom. */
function lines(svg: string): [x: number, y: number][][] {
  return Array.from(svg.matchAll(/<polyline points="([^"]*)"/g), ([, points]) =>
    (points ?? '').split(' ').map((point): [number, number] => {
      const [x, y] = point.split(',').map(Number)
      return [x ?? NaN, y ?? NaN]
    }),
  )
}

function texts(svg: string): string[] {
  return Array.from(svg.matchAll(/<text [^>]*>([^<]*)</g), ([, text]) => text ?? '')
}

test('four charts under each other have a line each for two processes, over one axis of time', () => {
  const both = seconds(11).flatMap((one) => [one, { ...one, process: 'cron', memory: 40 * MIB }])
  const svg = plot('A soak', both, [])
  const drawn = lines(svg)
  expect(drawn).toHaveLength(8)
  for (const line of drawn) {
    expect(line).toHaveLength(11)
    expect([line[0]?.[0], line[5]?.[0], line[10]?.[0]]).toEqual([70, 425, 780])
  }
  expect(texts(svg)).toEqual(
    expect.arrayContaining(['A soak', 'gateway', 'cron', 'memory, MiB', 'descriptors', 'threads']),
  )
  expect(texts(svg).slice(-6)).toEqual(['0 s', '2 s', '4 s', '6 s', '8 s', '10 s'])
})

test('what is more is drawn higher, between the marks of the scale', () => {
  const svg = plot('A soak', [sample(0, { descriptors: 0 }), sample(1000, { descriptors: 40 })], [])
  const [, [low, high] = []] = lines(svg)
  expect(low?.[1]).toBeGreaterThan(high?.[1] ?? NaN)
  // The two ends of the scale are those of the line.
  const scale = Array.from(svg.matchAll(/M70 ([\d.]+)H780/g), ([, y]) => Number(y)).slice(3, 6)
  expect([low?.[1], high?.[1]]).toEqual([scale[0], scale[2]])
  expect(texts(svg)).toContain('40')
})

test('a restart leaves a gap, and so does what could not be measured', () => {
  const restarted = plot(
    'A soak',
    seconds(10, (second) => ({ life: second < 4 ? 1 : 2 })),
    [],
  )
  expect(lines(restarted).map(({ length }) => length)).toEqual([4, 6, 4, 6, 4, 6, 4, 6])

  const unknown = plot(
    'A soak',
    seconds(10, (second) => (second === 4 ? { threads: null } : {})),
    [],
  )
  expect(lines(unknown).map(({ length }) => length)).toEqual([10, 10, 4, 5, 10])
})

test('a life of one look is drawn as a dot', () => {
  const svg = plot(
    'A soak',
    seconds(3, (second) => ({ life: second === 2 ? 2 : 1 })),
    [],
  )
  expect(svg.match(/<circle /g)).toHaveLength(4)
  expect(lines(svg).map(({ length }) => length)).toEqual([2, 2, 2, 2])
})

test('what was never measured is said to be so', () => {
  const svg = plot(
    'A soak',
    seconds(3, () => ({ descriptors: null, threads: null })),
    [],
  )
  expect(texts(svg).filter((text) => text === 'not measured here')).toHaveLength(2)
  expect(svg).toContain('threads: gateway not measured')
})

test('an hour of looks is thinned, and no peak is lost', () => {
  const hour = seconds(36_000, (second) => ({ longestWait: second === 12_345 ? 900 : second % 7, life: 1 }))
  const svg = plot('A soak', hour, [])
  expect(svg.length).toBeLessThan(150_000)
  const waits = lines(svg).at(-1) ?? []
  const peak = waits.reduce((highest, point) => (point[1] < highest[1] ? point : highest))
  expect(peak[0]).toBeCloseTo(70 + (12_345 / 35_999) * 710, 0)
  expect(waits.every(([x], index) => index === 0 || x >= (waits[index - 1]?.[0] ?? 0))).toBe(true)
})

test('each incident is a line down through all charts; labels do not stand on each other', () => {
  const marks: Mark[] = [
    { at: 5000, label: 'I-2' },
    { at: 0, label: 'I-1' },
    { at: 5010, label: 'I-3' },
    { at: 9000, label: 'I-4' },
  ]
  const svg = plot('A soak', seconds(10), marks)
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(4)
  expect(texts(svg).filter((text) => text.startsWith('I-'))).toEqual(['I-1', 'I-2', 'I-4'])
})

test('it says in words what it shows, has no background, and escapes what it is given', () => {
  const nasty = '<a href="x">&\0\ud800'
  const svg = plot(
    nasty,
    [sample(0, { process: nasty }), sample(90_000, { process: nasty, memory: 62.5 * MIB })],
    [{ at: 1, label: nasty }],
  )
  expect(svg).toMatch(
    /^<svg [^>]* role="img" aria-label="[^"]*, over 1 min 30 s\. memory: [^"]* 50 to 62\.5 MiB; [^"]*">/,
  )
  expect(svg).not.toContain('<a')
  expect(svg.split('&#60;a href=&#34;x&#34;&#62;&#38;\ufffd\ufffd').length - 1).toBeGreaterThanOrEqual(4)
  // eslint-disable-next-line no-control-regex
  expect(svg).not.toMatch(/[\0-\x08]/)
  expect(svg).not.toContain('white')
})

test('nothing at all can be plotted, three processes cannot', () => {
  expect(plot('Nothing', [], [])).toContain('</svg>')
  expect(plot('Nothing', [], [])).not.toMatch(/NaN|Infinity/)
  const three = ['a', 'b', 'c'].map((process) => sample(0, { process }))
  expect(() => plot('Three', three, [])).toThrow('2 processes at most')
})

test('the same samples make the same picture', () => {
  expect(plot('A soak', seconds(5), [])).toBe(plot('A soak', seconds(5), []))
})
