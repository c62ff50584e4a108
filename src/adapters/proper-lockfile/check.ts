// Whether a file is locked, by whomever.
import { inspect } from '../../index.js'
import { inItsWords } from './errors.js'
import type { CheckOptions } from './options.js'
import { placeOf, placeOfSync, type Place } from './place.js'

export async function check(file: string, options?: CheckOptions): Promise<boolean> {
  return isHeld(await placeOf(file, options))
}

export function checkSync(file: string, options?: CheckOptions): boolean {
  return isHeld(placeOfSync(file, options))
}

function isHeld({ file, lockfile }: Place): boolean {
  try {
    return inspect(file, { lockfile }).state === 'held'
  } catch (error) {
    throw inItsWords(error, file)
  }
}
