// Where a Chromium is on this machine, and how it is started for a page of our own: by the pictures and by the tests.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Without a sandbox, which containers lack; without a GPU; and without what a browser asks of the network by itself. */
export const ARGUMENTS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The one that HOLDFAST_CHROMIUM names, else one in the PATH; null where there is none. */
export function findChromium(): string | null {
  const named = process.env['HOLDFAST_CHROMIUM']
  if (named !== undefined && named !== '') return existsSync(named) ? named : null
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null
}
