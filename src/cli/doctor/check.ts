// One line of the report.
export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failed'
  /** What was found. */
  readonly text: string
  /** What to do about it. */
  readonly advice?: string
  /** In milliseconds, where something was measured. */
  readonly milliseconds?: number
}

export function ok(name: string, text: string, milliseconds?: number): Check {
  return { name, status: 'ok', text, ...(milliseconds === undefined ? {} : { milliseconds }) }
}

export function warning(name: string, text: string, advice: string): Check {
  return { name, status: 'warning', text, advice }
}

export function failed(name: string, text: string, advice: string): Check {
  return { name, status: 'failed', text, advice }
}
