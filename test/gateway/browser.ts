// A headless Chromium for the tests of a file. Every page of it is watched: what it logs, refuses by the policy of the page, or
// asks the user is kept, so that a test can say that there was nothing.
import { afterAll, onTestFinished } from 'vitest'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

import { ARGUMENTS, findChromium } from '../../examples/gateway/src/page/chromium.js'
import type { Capability } from '../helpers/capabilities.js'

const executablePath = findChromium()

export const headlessChromium: Capability = { name: 'headless Chromium', there: executablePath !== null }

export interface Tab {
  readonly page: Page
  /** Errors and warnings of the console, errors of scripts, dialogs, and what the policy of the page refused. */
  readonly complaints: string[]
}

let browser: Promise<Browser> | undefined

afterAll(async () => {
  await (await browser)?.close()
})

/** A tab with a profile of its own, closed after the test. */
export async function openTab(options: BrowserContextOptions = {}): Promise<Tab> {
  browser ??= chromium.launch({ ...(executablePath !== null && { executablePath }), args: [...ARGUMENTS] })
  const context = await (await browser).newContext(options)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  return { page, complaints }
}
