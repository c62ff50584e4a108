// Seconds as an argument: digits, and a fraction if need be.
import { UsageError } from '../command.js'

export function isSeconds(text: string): boolean {
  return /^(\d+\.?\d*|\.\d+)$/.test(text)
}

export function seconds(option: string, text: string): number {
  if (!isSeconds(text)) throw new UsageError(`${option} takes seconds, not ${text}`)
  return Number(text)
}
