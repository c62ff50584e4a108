// Whether what Node has open is the file that the engine saw: between two looks at a path, another file may have been there.
import type { BigIntStats } from 'node:fs'

/** `name` is that of a FileState: volume, two halves of a number, and birth, of 16 digits each. */
export function isFileOf(
  name: string,
  { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>,
  platform = process.platform,
): boolean {
  const [volume = '', upper = '', lower = ''] = name.match(/.{16}/g) ?? []
  if (platform !== 'win32') return isNumber(volume, dev) && isNumber(lower, ino)
  // Node has other numbers for volumes, and none for files of which 64 bits are not all (ReFS).
  return /[1-9a-f]/.test(upper) || isNumber(lower, ino)
}

/** As far as 64 bits tell: the engine's have no sign. */
function isNumber(digits: string, number: bigint): boolean {
  return BigInt(`0x${digits}`) === BigInt.asUintN(64, number)
}
