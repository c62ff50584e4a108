import { subscribe } from 'node:diagnostics_channel'

import holdfast from './holdfast.mjs'

/** Subscribed to the beginning and the end of every hold. */
export default function (path) {
  let longest = 0
  subscribe('holdfast:hold', ({ waited }) => (longest = Math.max(longest, waited)))
  subscribe('holdfast:release', ({ heldFor }) => (longest = Math.max(longest, heldFor)))
  return holdfast(path)
}
