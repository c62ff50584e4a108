// Takes a picture of a page: `screenshot.js URL OUT.png [--dark] [--width N] [--height N]`. Waits until the page is live, so
// the picture is of the page as it is with its script.
import { parseArgs } from 'node:util'

import { chromium } from 'playwright-core'

import { ARGUMENTS, findChromium } from './chromium.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dark: { type: 'boolean', default: false },
    width: { type: 'string', default: '1280' },
    height: { type: 'string', default: '960' },
  },
})
const [url, out] = positionals
if (url === undefined || out === undefined)
  throw new Error('usage: screenshot.js URL OUT.png [--dark] [--width N] [--height N]')

const executablePath = findChromium()
if (executablePath === null) throw new Error('there is no Chromium; HOLDFAST_CHROMIUM may name one')

const browser = await chromium.launch({ executablePath, args: [...ARGUMENTS] })
try {
  const page = await browser.newPage({
    viewport: { width: Number(values.width), height: Number(values.height) },
    colorScheme: values.dark ? 'dark' : 'light',
    deviceScaleFactor: 2,
  })
  await page.goto(url)
  await page.locator('[data-connection="live"]').waitFor()
  await page.screenshot({ path: out })
} finally {
  await browser.close()
}
