// What operators are told: one JSON object on each line of the error stream.

export type Log = (event: string, details?: Readonly<Record<string, unknown>>) => void

export const log: Log = (event, details) => {
  console.error(JSON.stringify({ time: new Date().toISOString(), event, ...details }))
}

export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
