// The page as markup: the whole document, which needs no script, and its sections, which a script replaces while somebody
// looks. Nothing here has a style or a script of its own, so the strictest policy can be kept.
import { duration } from '../../assets/duration.js'
import { html, type Html } from './html.js'
import type { Histogram, LanesState, LockView, Notice, NoticeKind, Party, SessionState, State } from './state.js'

/** More waiters of one lock than these are only counted. */
const MOST_WAITERS = 6
/** A wait of so many milliseconds is shown as a slow one. */
const SLOW = 100

/** By the id of the element that they fill, in the order of the page. The same state gives the same markup. */
export function sectionsOf(state: State): Map<string, Html> {
  return new Map([
    ['about', about(state)],
    ['lanes', lanes(state.lanes)],
    ['counts', counts(state.counts)],
    ['sessions', sessions(state)],
    ['shared', shared(state)],
    ['waits', histogram('waits', 'How long requests waited', state.waits, SLOW)],
    ['holds', histogram('holds', 'How long holds lasted', state.holds, Infinity)],
    ['notices', notices(state.notices)],
  ])
}

export function documentOf(state: State): string {
  const [top, ...rest] = [...sectionsOf(state)]
  const sections = rest.map(
    ([id, markup]) => html`<section id="${id}" aria-labelledby="${id}-title">${markup}</section> `,
  )
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>holdfast gateway</title>
        <link
          rel="icon"
          href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230e7c6b' fill-rule='evenodd' d='M3 7h1V5a4 4 0 0 1 8 0v2h1v8H3zm3 0h4V5a2 2 0 0 0-4 0z'/%3E%3C/svg%3E"
        />
        <link rel="stylesheet" href="/page.css" />
        <script type="module" src="/page.js"></script>
        <noscript><meta http-equiv="refresh" content="5" /></noscript>
      </head>
      <body>
        <header>
          <h1>holdfast <span>gateway</span></h1>
          <p id="connection" role="status">as of ${timeOfDay(state.now)}</p>
          <div id="about">${top?.[1] ?? null}</div>
        </header>
        <main>${sections}</main>
        <footer>
          <p>
            Names are what holders say of themselves. Other processes’ waits are not known here. Times of day are UTC.
            <a href="/state">The same as JSON</a>
          </p>
        </footer>
      </body>
    </html> `
  return page.toString()
}

function title(id: string, name: string): Html {
  return html`<h2 id="${id}-title">${name}</h2>`
}

function about({ now, started, pid }: State): Html {
  return html`<p>process ${pid}, up for ${age(started, now)}</p>`
}

function lanes({ main, agents }: State['lanes']): Html {
  return html`${title('lanes', 'Lanes')}
    <ul>
      ${lane('main', main)}${lane('sub-agents', agents)}
    </ul>`
}

function lane(name: string, { busy, size, waiting }: LanesState): Html {
  const pips = Array.from({ length: size }, (_, index) => {
    return html`<rect
      class="${index < busy ? 'busy' : 'idle'}"
      x="${index * 18 + 1}"
      y="1"
      width="14"
      height="14"
      rx="4"
    />`
  })
  return html`<li>
    <span class="name">${name}</span>
    <svg width="${size * 18}" height="16" aria-hidden="true">${pips}</svg>
    <span>${busy} of ${size} busy</span>
    ${waiting === 0 ? null : html`<span class="late">${waiting} ${waiting === 1 ? 'run waits' : 'runs wait'}</span>`}
  </li>`
}

const KINDS: Readonly<Record<NoticeKind, { one: string; many: string }>> = {
  contention: { one: 'slow wait', many: 'slow waits' },
  timeout: { one: 'time-out', many: 'time-outs' },
  deadlock: { one: 'deadlock', many: 'deadlocks' },
  revocation: { one: 'revoked', many: 'revoked' },
  leak: { one: 'leak', many: 'leaks' },
  recovery: { one: 'recovered', many: 'recovered' },
  overrun: { one: 'overrun', many: 'overruns' },
  repair: { one: 'repair', many: 'repairs' },
  other: { one: 'other', many: 'other' },
}

function counts(all: State['counts']): Html {
  const tiles = Object.entries(KINDS).map(([kind, { one, many }]) => {
    const count = all[kind as NoticeKind]
    return html`<div class="${count === 0 ? 'none' : kind}">
      <dt>${count === 1 ? one : many}</dt>
      <dd>${count.toLocaleString('en')}</dd>
    </div>`
  })
  return html`${title('counts', 'So far')}
    <dl>${tiles}</dl>`
}

function sessions({ sessions, now, pid }: State): Html {
  const groups = sessions.map(
    (session) =>
      html`<tbody>
        ${session.locks.map((lock, index) => {
          const first = index === 0 ? sessionCells(session, now) : null
          return html`<tr>
            ${first}${lockCells(lock, now, pid)}
          </tr>`
        })}
      </tbody>`,
  )
  const waiting = sessions.reduce((sum, { unanswered }) => sum + unanswered, 0)
  const caption = sessions.length === 0 ? 'none yet' : `${sessions.length}, with ${waiting} messages to answer`
  return html`<table>
    <caption>
      ${title('sessions', 'Sessions')} ${caption}
    </caption>
    <thead>
      <tr>
        <th scope="col">Session</th>
        <th scope="col">Messages</th>
        ${LOCK_HEADS}
      </tr>
    </thead>
    ${groups}
  </table>`
}

function sessionCells({ id, answered, unanswered, oldest, locks }: SessionState, now: number): Html {
  const open = unanswered === 0 ? null : html`<span class="late">${unanswered} to answer</span>`
  const since = oldest === null ? null : html`<small>for ${age(oldest, now)}</small>`
  return html`<th scope="rowgroup" rowspan="${locks.length}" class="session"><bdi>${id}</bdi></th>
    <td rowspan="${locks.length}" class="messages"><span>${answered} answered</span> ${open} ${since}</td>`
}

function shared({ shared, now, pid }: State): Html {
  return html`<table>
    <caption>
      ${title('shared', 'Shared')} by all sessions
    </caption>
    <thead>
      <tr>
        ${LOCK_HEADS}
      </tr>
    </thead>
    <tbody>
      ${shared.map(
        (lock) =>
          html`<tr>
            ${lockCells(lock, now, pid)}
          </tr>`,
      )}
    </tbody>
  </table>`
}

const LOCK_HEADS = html`<th scope="col">Lock</th>
  <th scope="col">Held by</th>
  <th scope="col">Waiting, in order</th>`

function lockCells(lock: LockView, now: number, pid: number): Html {
  return html`<th scope="row" class="lock"><bdi>${lock.name}</bdi></th>
    <td class="holder">${holderOf(lock, now, pid)}</td>
    <td class="queue">${queue(lock.waiters, now, pid)}</td>`
}

function holderOf({ holder, cutOff, trouble }: LockView, now: number, pid: number): Html {
  if (trouble !== null) return html`<span class="chip trouble"><bdi>${trouble}</bdi></span>`
  if (holder !== null) return html`<span class="chip held">${party(holder, now, pid)}</span>`
  const free = html`<span class="free">free</span>`
  if (cutOff === null) return free
  return html`${free} <span class="chip cut">cut off: <bdi>${cutOff.who}</bdi> <small>pid ${cutOff.pid}</small></span>`
}

function queue(waiters: readonly Party[], now: number, pid: number): Html {
  if (waiters.length === 0) return html`<span class="unseen">nobody</span>`
  const more = waiters.length - MOST_WAITERS
  return html`<ol>
    ${waiters.slice(0, MOST_WAITERS).map((waiter) => html`<li class="chip waits">${party(waiter, now, pid)}</li> `)}
    ${more > 0 ? html`<li class="more">and ${more} more</li>` : null}
  </ol>`
}

function party({ who, pid, since }: Party, now: number, here: number): Html {
  const process = pid === here ? null : html`<small>pid ${pid}</small> `
  return html`<bdi>${who}</bdi> ${process}${age(since, now)}`
}

function histogram(id: string, name: string, { counts, edges, longest }: Histogram, slow: number): Html {
  const all = counts.reduce((sum, count) => sum + count, 0)
  const most = Math.max(...counts)
  const rows = counts.map((count, index) => {
    const from = edges[index - 1] ?? 0
    // Logarithmic: the few that take long matter as much as the many that do not.
    const width = count === 0 ? 0 : Math.max(2, (100 * Math.log1p(count)) / Math.log1p(most))
    return html`<tr class="${count === 0 ? 'none' : from >= slow ? 'late' : 'fine'}">
      <th scope="row">${stepName(edges[index - 1], edges[index])}</th>
      <td class="bar">
        <svg width="100%" height="10" aria-hidden="true"><rect width="${width.toFixed(1)}%" height="10" rx="3" /></svg>
      </td>
      <td class="number">${count.toLocaleString('en')}</td>
    </tr>`
  })
  const summary = all === 0 ? 'none yet' : `${all.toLocaleString('en')} in all, the longest ${duration(longest)}`
  return html`<table class="histogram">
    <caption>
      ${title(id, name)} ${summary}
    </caption>
    <thead>
      <tr>
        <th scope="col">Time</th>
        <th scope="col">Share, logarithmic</th>
        <th scope="col" class="number">Count</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`
}

function stepName(from: number | undefined, to: number | undefined): string {
  if (from === undefined) return `under ${edgeName(to ?? 0)}`
  return to === undefined ? `from ${edgeName(from)}` : `${edgeName(from)} – ${edgeName(to)}`
}

function edgeName(edge: number): string {
  return edge < 1_000 ? `${edge} ms` : `${edge / 1_000} s`
}

function notices(newest: readonly Notice[]): Html {
  const rows = newest.map(
    ({ kind, at, path, text }) =>
      html`<tr>
        <td class="when">${timeOfDay(at)}</td>
        <td class="kind"><span class="${kind}">${KINDS[kind].one}</span></td>
        <td class="text">
          <bdi>${text}</bdi> <small><bdi>${lastPart(path)}</bdi></small>
        </td>
      </tr>`,
  )
  const caption = newest.length === 0 ? 'nothing yet that an operator should see' : 'the newest first'
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="notices-title">
    <table>
      <caption>
        ${title('notices', 'Notices')} ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Kind</th>
          <th scope="col">What happened</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`
}

function lastPart(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}

/** The script counts on by itself from the time that is named. */
function age(since: number, now: number): Html {
  const moment = iso(since)
  if (moment === null) return html`<span>for an unknown time</span>`
  return html`<time class="age" datetime="${moment}">${duration(now - since)}</time>`
}

function timeOfDay(at: number): Html {
  const moment = iso(at)
  if (moment === null) return html`<span>at an unknown time</span>`
  return html`<time datetime="${moment}">${moment.slice(11, 19)}</time>`
}

/** Null for what is no time: numbers come from files as well. */
function iso(milliseconds: number): string | null {
  const moment = new Date(milliseconds)
  return Number.isNaN(moment.getTime()) ? null : moment.toISOString()
}
