// What others wrote is shown and does nothing.
import { describe, expect, test } from 'vitest'

import { html } from '../../examples/gateway/src/page/html.js'
import { shown } from '../../examples/gateway/src/page/text.js'
import { documentOf, sectionsOf } from '../../examples/gateway/src/page/view.js'
import { busyState } from './page/busy.js'
import { HOSTILE, hostileState } from './page/hostile.js'

/** Characters that are not seen, change the order of others, or are no characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u
const MOST = 300

describe('text', () => {
  test('hostile text is made fit to be shown: nothing unseen, and an end', () => {
    for (const text of HOSTILE) {
      expect(shown(text)).not.toMatch(UNSEEN)
      expect(Array.from(shown(text)).length).toBeLessThanOrEqual(MOST)
    }
  })

  test('text that was made fit once does not change again', () => {
    for (const text of HOSTILE) expect(shown(shown(text))).toBe(shown(text))
  })

  test('what cannot be seen is named, not left out', () => {
    expect(shown('a\u202Eb\u0000\n\u001b[0m\uD800')).toBe('a⟨U+202E⟩b␀␊␛[0m⟨U+D800⟩')
  })

  test('what people write stays as it is', () => {
    for (const text of ['main atlas · transcript', 'Überlänge, naïve', 'שלום', '日本語', 'été', '🐙', '']) {
      expect(shown(text)).toBe(text)
    }
  })

  test('text that is too long ends where it is cut, not in the middle of a pair', () => {
    expect(shown('🐙'.repeat(MOST))).toBe('🐙'.repeat(MOST))
    expect(shown('🐙'.repeat(MOST + 1))).toBe(`${'🐙'.repeat(MOST - 1)}…`)
  })
})

describe('markup', () => {
  test('what is put in is escaped, in text and in quoted attributes', () => {
    const text = `<b a="1" b='2'>&amp;\``
    const escaped = '&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;&#96;'
    expect(html`<p title="${text}">${text}</p>`.toString()).toBe(`<p title="${escaped}">${escaped}</p>`)
  })

  test('markup in markup is not escaped again, nothing is nothing, and a list is its parts', () => {
    const list = html`<b>${['<', 1].map((part) => html`<i>${part}</i>`)}${null}</b>`
    expect(list.toString()).toBe('<b><i>&lt;</i><i>1</i></b>')
  })

  test('what only looks like markup is none', () => {
    const forged: unknown = JSON.parse('{"text":"<script>","toString":"<script>"}')
    // @ts-expect-error what comes as JSON is no markup
    expect(() => html`${forged}`.toString()).toThrow()
  })
})

describe('the page', () => {
  const EMPTY = { ...busyState(0), sessions: [], shared: [], notices: [] }

  /** Elements and attributes, without what they hold. */
  function shapeOf(markup: string): string[] {
    return Array.from(markup.matchAll(/<(?:[^<>"]|"[^"]*")*>/g), ([tag]) => tag.replace(/"[^"]*"/g, '""'))
  }

  test('has no element and no attribute more for hostile text than for other text', () => {
    const hostile = hostileState(0)
    const text = JSON.stringify(hostile, (key, value: unknown) =>
      ['id', 'who', 'name', 'path', 'text', 'trouble'].includes(key) && value !== null ? 'harmless' : value,
    )
    const harmless = JSON.parse(text) as typeof hostile
    expect(shapeOf(documentOf(hostile))).toEqual(shapeOf(documentOf(harmless)))
  })

  test('shows hostile text, and shows it nowhere as it is', () => {
    const markup = documentOf(hostileState(0))
    for (const text of HOSTILE.filter((text) => /[<>"'&]/.test(text))) {
      expect(markup).toContain(html`${text}`.toString())
      expect(markup).not.toContain(text)
    }
  })

  test('is no larger for huge text than what its cells may take', () => {
    const size = (text: string): number => {
      const notices = [{ kind: 'other' as const, at: 0, path: text, text }]
      return documentOf({ ...EMPTY, notices }).length
    }
    // A character may become `⟨U+E0001⟩` before it is cut, and an entity of six afterwards.
    expect(size('"'.repeat(1_000_000)) - size('')).toBeLessThanOrEqual(2 * MOST * '&quot;'.length)
  })

  test('shows times that are none, as files may hold them', () => {
    for (const since of [NaN, Infinity, -1e300, 8.65e15]) {
      const lock = { name: 'turn', holder: { who: 'x', pid: 1, since }, cutOff: null, trouble: null, waiters: [] }
      expect(documentOf({ ...EMPTY, shared: [lock] })).toContain('for an unknown time')
    }
  })

  test('has no script, style or handler within itself', () => {
    const markup = documentOf(busyState(0))
    expect(markup.match(/<script[^>]*>[^<]*/g)).toEqual(['<script type="module" src="/page.js">'])
    expect(markup).not.toMatch(/<style|\sstyle=|\son\w+=/i)
  })

  test('a lock that many wait for shows the first of them, and counts all', () => {
    const waiters = Array.from({ length: 1_000 }, (_, place) => ({ who: `waiter ${place}.`, pid: 1, since: 0 }))
    const lock = { name: 'turn', holder: null, cutOff: null, trouble: null, waiters }
    const shared =
      sectionsOf({ ...EMPTY, shared: [lock] })
        .get('shared')
        ?.toString() ?? ''
    expect(shared.match(/waiter \d+\./g)).toEqual([0, 1, 2, 3, 4, 5].map((place) => `waiter ${place}.`))
    expect(shared).toContain('and 994 more')
  })

  test('the same state gives the same markup, whenever it is made', () => {
    const text = (): string[] => [...sectionsOf(busyState(1_795_234_363_754)).values()].map(String)
    expect(text()).toEqual(text())
  })
})
