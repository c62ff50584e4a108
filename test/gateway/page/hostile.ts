// Text that must be shown and never work, and a state that has it everywhere.
import { busyState } from './busy.js'
import type { LockView, Party, State } from '../../../examples/gateway/src/page/state.js'

export const HOSTILE: readonly string[] = [
  `<img src=x onerror="alert('ran')">`,
  `"><script>alert('ran')</script>`,
  `'><svg onload=alert('ran')>`,
  `</td></tr></table><iframe src="javascript:alert('ran')"></iframe>`,
  `</title></style></textarea></noscript><script>alert('ran')</script>`,
  `" autofocus onfocus="alert('ran')" x="`,
  '<!--', // would swallow the rest of the page
  ']]><plaintext>',
  `&lt;img src=x onerror=alert('ran')&gt;`, // must not be unescaped on its way
  `\${alert('ran')} {{alert('ran')}}`,
  'javascript:alert(1)',
  'data: {"now":0,"sections":{}}\n\ndata: {}\n\n', // would be an event of its own
  'user\u202Egpj.exe\u2066 \u2067\u200F',
  '\u0000\u0007\u001b[31mred\u001b[0m\r\n\u2028\u2029\u0085',
  `Z${'\u0336\u0489\u0310'.repeat(2_000)}algo`,
  '\uD800 half a pair \uDFFF',
  'w'.repeat(100_000),
  '',
]

/** One session, lock and notice for each text. */
export function hostileState(now = Date.now()): State {
  const state = busyState(now)
  const by = (who: string): Party => ({ who, pid: 1, since: now - 1_000 })
  const locks = (text: string): LockView[] => [
    { name: text, holder: by(text), cutOff: null, trouble: null, waiters: [by(text), by(text)] },
    { name: text, holder: null, cutOff: by(text), trouble: null, waiters: [] },
    { name: text, holder: null, cutOff: null, trouble: text, waiters: [] },
  ]
  return {
    ...state,
    sessions: HOSTILE.map((text) => ({ id: text, answered: 1, unanswered: 1, oldest: now, locks: locks(text) })),
    shared: HOSTILE.flatMap(locks),
    notices: HOSTILE.map((text) => ({ kind: 'other', at: now, path: `/srv/${text}`, text })),
  }
}
