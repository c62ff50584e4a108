// Values become JSON before anything is queued, so that one that cannot be written harms nobody's batch.
import { SessionError } from './errors.js'

/** TypeScript does not know that it may answer with undefined. */
const stringify: (value: unknown, replacer: undefined, indent?: number | string) => string | undefined = JSON.stringify

/** The text of a value. Throws where JSON cannot carry it; what JSON.stringify() leaves out of an object is left out. */
export function encode(path: string, name: string, value: unknown, indent?: number | string): string {
  let text: string | undefined
  try {
    text = stringify(value, undefined, indent)
  } catch (cause) {
    throw refusal(path, name, cause instanceof Error ? cause.message : 'its toJSON() threw', cause)
  }
  if (text === undefined) throw refusal(path, name, `JSON has nothing for ${what(value)}`)
  return text
}

function refusal(path: string, name: string, why: string, cause?: unknown): SessionError {
  const message = `${name} must be a value that JSON can carry: ${why.split('\n')[0] ?? ''}`
  return new SessionError('ERR_SESSION_VALUE', message, { path, cause })
}

/** Something with a toJSON() is judged by what that returned. */
function what(value: unknown): string {
  return typeof value === 'object'
    ? 'what its toJSON() returned'
    : typeof value === 'undefined'
      ? 'undefined'
      : `a ${typeof value}`
}
