// npm run demo:pictures -- <folder>: pictures of the page, light, dark and on a phone, while ten lanes, the command line and a
// job want one session, and after what has happened to others.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { chromium, type BrowserContextOptions } from 'playwright-core'

import { ARGUMENTS, findChromium } from '../page/chromium.js'
import { MISHAPS } from './incidents.js'
import { openStage } from './stage.js'
import { suffer } from './suffer.js'

const PICTURES: Readonly<Record<string, BrowserContextOptions>> = {
  'page-light': { colorScheme: 'light', viewport: { width: 1200, height: 900 } },
  'page-dark': { colorScheme: 'dark', viewport: { width: 1200, height: 900 } },
  'page-phone': { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
}
const crowd = MISHAPS.find(({ incident }) => incident === 'I-5')
if (crowd === undefined) throw new Error('Expected the incident I-5')
/** Not the restart of I-4: it begins the counts anew. */
const before = MISHAPS.filter(({ incident }) => incident !== 'I-4' && incident !== 'I-5')
/** So many are to be seen. */
const WAITERS = 3

const out = process.argv[2] ?? fileURLToPath(new URL('../../results', import.meta.url))
mkdirSync(out, { recursive: true })
const executablePath = findChromium()
if (executablePath === null) throw new Error('Expected a Chromium; HOLDFAST_CHROMIUM may name one')
const home = mkdtempSync(join(tmpdir(), 'holdfast-pictures-'))
const stage = await openStage({ folder: home, rules: null, seed: 1, sessions: [crowd.session] })
const browser = await chromium.launch({ executablePath, args: [...ARGUMENTS] })
try {
  for (const mishap of before) {
    console.log(mishap.title)
    await suffer(mishap, stage)
  }
  const pictures = Promise.all(Object.entries(PICTURES).map(([name, options]) => take(name, options)))
  const taken = new AbortController()
  void pictures.then(() => taken.abort())
  while (!taken.signal.aborted) await Promise.race([crowd.happen(stage.world, stage.provider, () => {}), pictures])
} finally {
  await browser.close()
  await stage.end()
  rmSync(home, { recursive: true, force: true })
}

async function take(name: string, options: BrowserContextOptions): Promise<void> {
  const page = await browser.newPage(options)
  await page.goto(stage.world.address)
  await page
    .locator('.chip.waits')
    .nth(WAITERS - 1)
    .waitFor()
  await page.screenshot({ path: join(out, `${name}.png`) })
}
