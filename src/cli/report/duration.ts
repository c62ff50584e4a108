// How long something has lasted, in few characters: two units at the most.
const UNITS = [
  { name: 'd', seconds: 86_400, below: 'h', parts: 3600 },
  { name: 'h', seconds: 3600, below: 'm', parts: 60 },
  { name: 'm', seconds: 60, below: 's', parts: 1 },
] as const

export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  const unit = UNITS.find((each) => seconds >= each.seconds)
  if (unit === undefined)
    return seconds < 10 ? `${(Math.floor(seconds * 10) / 10).toFixed(1)}s` : `${Math.floor(seconds)}s`
  const rest = Math.floor((seconds % unit.seconds) / unit.parts)
  return `${Math.floor(seconds / unit.seconds)}${unit.name}${rest === 0 ? '' : ` ${rest}${unit.below}`}`
}
