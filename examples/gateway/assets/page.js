// Keeps the page up to date: takes over the sections that the server sends, and counts ages on in between. Without it the
// page is a static one.
/* global document, EventSource */
import { duration } from './duration.js'

const RETRY = 1_000
const AGES = 250

const status = document.getElementById('connection')
/** What the server's clock is ahead of ours, once it is known. */
let ahead = null

listen()
setInterval(() => countOn(), AGES)

function listen() {
  const events = new EventSource('/events')
  events.onmessage = ({ data }) => take(JSON.parse(data))
  events.onerror = () => {
    say('lost', 'connection lost, trying again')
    ahead = null // ages of what nobody knows do not grow
    if (events.readyState !== EventSource.CLOSED) return // the browser tries again by itself
    setTimeout(listen, RETRY)
  }
}

function take({ now, sections }) {
  ahead = now - Date.now()
  const template = document.createElement('template')
  for (const [id, markup] of Object.entries(sections)) {
    const section = document.getElementById(id)
    template.innerHTML = markup // the server escapes what is in it, and the policy of the page runs no script of it
    if (section !== null) become(section, template.content)
  }
  countOn()
  say('live', 'live')
}

function say(state, text) {
  if (document.body.dataset.connection === state) return // a status that is set again is read out again
  document.body.dataset.connection = state
  status.textContent = text
}

function countOn() {
  if (ahead === null) return
  const now = Date.now() + ahead
  for (const age of document.querySelectorAll('time.age')) {
    const text = duration(now - Date.parse(age.dateTime))
    if (age.textContent !== text) age.textContent = text
  }
}

/** Changes only what differs, so that focus, scroll positions and selections stay. */
function become(old, wanted) {
  const olds = [...old.childNodes]
  const wanteds = [...wanted.childNodes]
  wanteds.forEach((node, index) => {
    const there = olds[index]
    if (there === undefined) old.append(node)
    else if (there.nodeType !== node.nodeType || there.nodeName !== node.nodeName) there.replaceWith(node)
    else if (node.nodeType !== 1) there.nodeValue === node.nodeValue || (there.nodeValue = node.nodeValue)
    else {
      attributes(there, node)
      if (there.matches('time.age')) return // countOn() fills it
      become(there, node)
    }
  })
  for (const node of olds.slice(wanteds.length)) node.remove()
}

function attributes(old, wanted) {
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
}
