import type { Signature } from '../../src/record-page.js'

/** What a record tells of a hold with that label and nothing else. */
export function signed(label: string | undefined): Signature {
  return { owner: null, label, maxHold: Infinity }
}
