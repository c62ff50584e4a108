// Bars, as SVG text. One set of colours that reads on white and on near-black alike, because a picture in a page cannot
// know the page's theme; no background.

const TEXT = '#6e7781'
const OURS = '#2f81f7'
const OTHERS = '#8b949e'

const WIDTH = 800
const LABELS = 290
const VALUES = 90
const BAR = 20
const GAP = 10
const HEAD = 48

/**
 * `bars` are { name, value, text }; those named in `ours` stand out. A logarithmic axis begins at a power of ten below
 * the smallest bar.
 */
export function barChart({ title, unit, bars, ours, log = false }) {
  const values = bars.map(({ value }) => value)
  const most = Math.max(...values)
  const least = log ? 10 ** Math.floor(Math.log10(Math.min(...values)) - 0.2) : 0
  const share = (value) => (log ? Math.log(value / least) / Math.log(most / least) : value / most)
  const room = WIDTH - LABELS - VALUES
  const height = HEAD + bars.length * (BAR + GAP) + GAP

  const rows = bars.map(({ name, value, text }, index) => {
    const y = HEAD + index * (BAR + GAP)
    const length = Math.max(2, share(value) * room).toFixed(1)
    const isOurs = ours.includes(name)
    const weight = isOurs ? ' font-weight="600"' : ''
    return [
      `<text x="${LABELS - 10}" y="${y + 15}" text-anchor="end"${weight}>${escape(name)}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${length}" height="${BAR}" rx="3" fill="${isOurs ? OURS : OTHERS}"/>`,
      `<text x="${(LABELS + Number(length) + 8).toFixed(1)}" y="${y + 15}"${weight}>${escape(text)}</text>`,
    ].join('\n')
  })
  const label = `${title}: ${bars.map(({ name, text }) => `${name} ${text}`).join(', ')}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(label)}">
<g font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13" fill="${TEXT}">
<text x="${LABELS}" y="20" font-size="15" font-weight="600">${escape(title)}</text>
<text x="${LABELS}" y="38" font-size="12">${escape(unit)}</text>
${rows.join('\n')}
</g>
</svg>
`
}

function escape(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
