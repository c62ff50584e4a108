// The witness that asks nobody: a number in a file, read and written back in two steps. Whoever is alone loses nothing, and
// every number comes once. A lock file that was replaced has a number of its own.
import { closeSync, openSync, readFileSync, readSync, writeSync, constants } from 'node:fs'
import { join } from 'node:path'

const SIZE = 8

export class Witness {
  private readonly folder: string
  private readonly bytes = Buffer.alloc(SIZE)
  private readonly descriptors = new Map<string, number>()

  constructor(folder: string) {
    this.folder = folder
  }

  read(name: string): number {
    const length = readSync(this.descriptor(name), this.bytes, 0, SIZE, 0)
    return length === SIZE ? this.bytes.readDoubleLE(0) : 0
  }

  write(name: string, value: number): void {
    this.bytes.writeDoubleLE(value, 0)
    writeSync(this.descriptor(name), this.bytes, 0, SIZE, 0)
  }

  private descriptor(name: string): number {
    const known = this.descriptors.get(name)
    if (known !== undefined) return known
    const opened = openSync(join(this.folder, name), constants.O_RDWR | constants.O_CREAT, 0o600)
    this.descriptors.set(name, opened)
    // Replaced files bring new numbers for ever; those of old ones are not needed again.
    const [oldest] = this.descriptors
    if (this.descriptors.size > 64 && oldest !== undefined) {
      closeSync(oldest[1])
      this.descriptors.delete(oldest[0])
    }
    return opened
  }
}

export const witnessName = (file: number, generation: string): string => `count-${file}-${generation}`

/** What a counter says in the end. */
export function lastCount(folder: string, name: string): number {
  try {
    const bytes = readFileSync(join(folder, name))
    return bytes.length === SIZE ? bytes.readDoubleLE(0) : 0
  } catch {
    return 0
  }
}
