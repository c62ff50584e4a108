// The page as a browser shows it: on a desk and on a phone, by day and by night, with and without its script, and with
// text that would like to be more than text.
import { describe, expect, test } from 'vitest'
import type { Page as BrowserPage } from 'playwright-core'

import { duration } from '../../examples/gateway/assets/duration.js'
import type { State } from '../../examples/gateway/src/page/state.js'
import { shown } from '../../examples/gateway/src/page/text.js'
import { missing } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { headlessChromium, openTab, type Tab } from './browser.js'
import { busyState } from './page/busy.js'
import { HOSTILE, hostileState } from './page/hostile.js'
import * as inBrowser from './page/in-browser.mjs'
import { PageServer } from './page/server.js'

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }

function withNotice(state: State, text: string): State {
  const notice = { kind: 'other' as const, at: state.now, path: '/srv/x', text }
  return { ...state, notices: [notice, ...state.notices] }
}

async function live({ page }: Tab): Promise<void> {
  await page.locator('body[data-connection="live"]').waitFor()
}

/** Text of the page as somebody reads it. */
function textOf(page: BrowserPage): Promise<string> {
  return page.locator('body').innerText()
}

describe.skipIf(missing(headlessChromium))('in a browser', () => {
  test('the page comes to life without a complaint', async () => {
    const server = await PageServer.start(busyState())
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    expect(await tab.page.title()).toBe('holdfast gateway')
    expect(await tab.page.locator('#sessions tbody').count()).toBe(server.state.sessions.length)
    expect(tab.complaints).toEqual([])
    expect(
      server.asked.filter((path) => !['/', '/page.css', '/page.js', '/duration.js', '/events'].includes(path)),
    ).toEqual([])
  })

  test('what happens is shown without loading the page again', async () => {
    const server = await PageServer.start(busyState())
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    await tab.page.evaluate(() => Object.assign(globalThis, { marked: true }))
    server.state = withNotice(server.state, 'something happened just now')
    await tab.page.getByText('something happened just now').waitFor()
    server.state = { ...server.state, sessions: server.state.sessions.slice(0, 2) }
    await until('sessions went', async () => (await tab.page.locator('#sessions tbody').count()) === 2)
    expect(await tab.page.evaluate(() => 'marked' in globalThis)).toBe(true)
    expect(server.asked.filter((path) => path === '/')).toHaveLength(1)
    expect(tab.complaints).toEqual([])
  })

  test('what the script makes of new sections is what the server would have sent', async () => {
    const server = await PageServer.start({ ...busyState(), sessions: [], shared: [], notices: [] })
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    server.state = hostileState()
    await until('they are there', async () => (await tab.page.locator('#sessions tbody').count()) === HOSTILE.length)
    server.state = busyState()
    await until('they are gone', async () => (await tab.page.locator('#sessions tbody').count()) === 6)
    const fresh = await openTab({ javaScriptEnabled: false })
    await fresh.page.goto(server.url)
    expect(await tab.page.evaluate(inBrowser.markup)).toBe(await fresh.page.evaluate(inBrowser.markup))
  })

  test('focus, scroll positions and what is selected stay where they are', async () => {
    const notices = Array.from({ length: 100 }, (_, index) => {
      return { kind: 'other' as const, at: 0, path: '/srv/x', text: `notice ${index}` }
    })
    const server = await PageServer.start({ ...busyState(), notices })
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    await tab.page.evaluate(inBrowser.settle)
    const settled = { notices: 150, focused: true, page: 200, selected: 'Sessions' }
    expect(await tab.page.evaluate(inBrowser.whereSettled)).toEqual(settled)
    server.state = { ...withNotice(server.state, 'news'), sessions: [...server.state.sessions].reverse() }
    await tab.page.getByText('news', { exact: true }).waitFor()
    expect(await tab.page.evaluate(inBrowser.whereSettled)).toEqual(settled)
  })

  test('ages grow while nothing is sent, and are said as the server says them', async () => {
    const server = await PageServer.start(busyState())
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    const { sessions } = server.state
    const since = sessions[0]?.locks[0]?.holder?.since ?? NaN
    const age = tab.page.locator('#sessions .held time').first()
    const before = await age.innerText()
    await until('it has grown', async () => (await age.innerText()) !== before)
    // Both clocks are this machine's.
    const earliest = Date.now() - since
    await until('it is said as here', async () => {
      const text = await age.innerText()
      const now = Date.now() - since
      return Array.from({ length: 20 }, (_, step) => duration(now - step * 50)).includes(text)
    })
    expect(earliest).toBeGreaterThan(0)
  })

  test('a connection that is lost is said, and after a restart all is there again by itself', async () => {
    const server = await PageServer.start(busyState())
    const { port } = server
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    const status = tab.page.getByRole('status')
    expect(await status.innerText()).toBe('live')
    await server.end()
    await tab.page.locator('body[data-connection="lost"]').waitFor()
    expect(await status.innerText()).toContain('connection lost')
    const second = await PageServer.start(withNotice({ ...busyState(), pid: 815 }, 'after the restart'), { port })
    await live(tab)
    await tab.page.getByText('after the restart').waitFor()
    expect(await tab.page.locator('#about').innerText()).toContain('process 815')
    expect(second.asked).not.toContain('/')
  })

  test('a refusal, as by a gateway where too many watch, is tried again too', async () => {
    const server = await PageServer.start(busyState(), { most: 1 })
    const first = await openTab()
    await first.page.goto(server.url)
    await live(first)
    const second = await openTab()
    await second.page.goto(server.url)
    await second.page.locator('body[data-connection="lost"]').waitFor()
    await first.page.close()
    await live(second)
  })

  test('without its script the page is a complete table, loaded anew every few seconds', async () => {
    const server = await PageServer.start(busyState())
    const tab = await openTab({ javaScriptEnabled: false })
    await tab.page.goto(server.url)
    const text = await textOf(tab.page)
    for (const { id, locks } of server.state.sessions) {
      expect(text).toContain(id)
      for (const { name, holder, waiters } of locks) {
        expect(text).toContain(name)
        for (const party of [holder, ...waiters]) if (party !== null) expect(text).toContain(party.who)
      }
    }
    for (const notice of server.state.notices) expect(text).toContain(notice.text)
    for (const bucket of server.state.waits.counts) expect(text).toContain(bucket.toLocaleString('en'))
    expect(text).toMatch(/as of \d\d:\d\d:\d\d/)
    server.state = withNotice(server.state, 'seen after a while')
    await tab.page.getByText('seen after a while').waitFor()
    expect(server.asked).not.toContain('/events')
    expect(server.asked).not.toContain('/page.js')
  })

  test('those who do not see it are told the same: tables have captions and heads, and every row has its name', async () => {
    const server = await PageServer.start(busyState())
    const tab = await openTab()
    await tab.page.goto(server.url)
    await live(tab)
    expect(await tab.page.locator('html').getAttribute('lang')).toBe('en')
    for (const name of ['Sessions', 'Shared', 'How long requests waited', 'How long holds lasted', 'Notices']) {
      const section = tab.page.getByRole('region', { name }).first()
      expect(await section.getByRole('table').locator('caption').innerText()).not.toBe('')
      expect(await section.getByRole('columnheader').count()).toBeGreaterThan(2)
    }
    const row = tab.page.getByRole('row').filter({ hasText: 'cron nightly-summary' })
    expect(await row.getByRole('rowheader', { name: 'turn' }).count()).toBe(1)
    expect(await row.getByRole('listitem').innerText()).toContain('main borealis')
    expect(await tab.page.getByRole('heading', { level: 1 }).count()).toBe(1)
    expect(await tab.page.getByRole('heading', { level: 2 }).count()).toBe(7)
  })

  describe.each([
    ['a busy page', busyState],
    ['a hostile page', hostileState],
  ])('%s', (_name, make) => {
    test('has no sideways scrolling on a phone', async () => {
      const server = await PageServer.start(make())
      const tab = await openTab(PHONE)
      await tab.page.goto(server.url)
      await live(tab)
      expect(await tab.page.evaluate(inBrowser.widths)).toEqual([PHONE.viewport.width, PHONE.viewport.width])
      expect(await tab.page.evaluate(inBrowser.outside)).toEqual([])
    })

    test.each(['light', 'dark'] as const)('can be read in the %s', async (colorScheme) => {
      const server = await PageServer.start(make())
      const tab = await openTab({ colorScheme })
      await tab.page.goto(server.url)
      await live(tab)
      const found = await tab.page.evaluate(inBrowser.contrasts)
      expect(found.length).toBeGreaterThan(100)
      expect(found.filter(({ ratio }) => ratio < 4.5)).toEqual([])
    })
  })

  test('can be read while the connection is lost', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const server = await PageServer.start(busyState())
      const tab = await openTab({ colorScheme })
      await tab.page.goto(server.url)
      await live(tab)
      await server.end()
      await tab.page.locator('body[data-connection="lost"]').waitFor()
      expect((await tab.page.evaluate(inBrowser.contrasts)).filter(({ ratio }) => ratio < 4.5)).toEqual([])
    }
  })

  test('light and dark differ', async () => {
    const server = await PageServer.start(busyState())
    const ground = async (colorScheme: 'light' | 'dark'): Promise<number[]> => {
      const { page } = await openTab({ colorScheme })
      await page.goto(server.url)
      return page.evaluate(inBrowser.ground)
    }
    for (const part of await ground('light')) expect(part).toBeGreaterThan(200)
    for (const part of await ground('dark')) expect(part).toBeLessThan(60)
  })

  describe('hostile text', () => {
    const HARMLESS = { scripts: ['/page.js'], elements: [], handlers: [] }

    test('is text in the page that the server sends', async () => {
      const server = await PageServer.start(hostileState())
      const tab = await openTab()
      await tab.page.route('**/page.js', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }))
      await tab.page.goto(server.url)
      expect(await tab.page.evaluate(inBrowser.strangers)).toEqual(HARMLESS)
      expect(await tab.page.locator('#sessions tbody').count()).toBe(HOSTILE.length)
      expect(tab.complaints).toEqual([])
    })

    test('is text in what is sent later', async () => {
      const server = await PageServer.start(busyState())
      const tab = await openTab()
      await tab.page.goto(server.url)
      await live(tab)
      server.state = hostileState()
      await until('it is there', async () => (await tab.page.locator('#sessions tbody').count()) === HOSTILE.length)
      expect(await tab.page.evaluate(inBrowser.strangers)).toEqual(HARMLESS)
      const ids = await tab.page.locator('.session bdi').allTextContents()
      expect(ids).toEqual(HOSTILE.map((text) => shown(text)))
      const texts = await tab.page.locator('#notices .text > bdi').allTextContents()
      expect(texts).toEqual(HOSTILE.map((text) => shown(text)))
      expect(tab.complaints).toEqual([])
    })

    test('could not do anything even if it were not escaped', async () => {
      const server = await PageServer.start(busyState())
      const tab = await openTab()
      await tab.page.goto(server.url)
      await live(tab)
      await tab.page.evaluate(inBrowser.misbehave)
      await until('it was refused', () => tab.complaints.some((text) => text.includes('style-src')))
      await until('scripts were refused', () => tab.complaints.some((text) => text.includes('script-src')))
      expect(tab.complaints.filter((text) => text.startsWith('a dialog'))).toEqual([])
    })
  })
})
