// Runs in the browser, one function at a time: each must find all it needs within itself.
/* global document, innerWidth, scrollY, scrollTo, getSelection, getComputedStyle, Node */

/** The page without its ages, which go on. */
export function markup() {
  const main = document.querySelector('main').outerHTML
  return main.replace(/(<time class="age"[^>]*>)[^<]*/g, '$1').replace(/\s+/g, ' ')
}

/** Reads like somebody does: scrolls the notices and the page, and selects a heading. */
export function settle() {
  const region = document.querySelector('.scroll')
  region.scrollTo(0, 150)
  region.focus({ preventScroll: true })
  scrollTo(0, 200)
  getSelection().selectAllChildren(document.getElementById('sessions-title'))
}

export function whereSettled() {
  const region = document.querySelector('.scroll')
  const focused = document.activeElement === region
  return { notices: region.scrollTop, focused, page: scrollY, selected: getSelection().toString() }
}

/** How wide the content is, and the window. */
export function widths() {
  return [document.documentElement.scrollWidth, innerWidth]
}

/** Visible elements that reach out of the window. */
export function outside() {
  const wide = Array.from(document.querySelectorAll('body *')).filter((element) => {
    const { left, right, width } = element.getBoundingClientRect()
    return element.closest('.unseen, thead') === null && width > 0 && (right > innerWidth + 1 || left < -1)
  })
  return wide.map(({ tagName, className }) => `${tagName} ${className}`)
}

/** Red, green and blue of the ground of the page. */
export function ground() {
  return getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).map(Number)
}

/** Of every element that has text of its own, as the Web Content Accessibility Guidelines reckon it. */
export function contrasts() {
  function parts(color) {
    if (!/^rgba?\(/.test(color)) throw new Error(`what color is ${color}?`)
    return color.match(/[\d.]+/g).map(Number)
  }
  function luminance(color) {
    const [r, g, b] = color.slice(0, 3).map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  function groundOf(element) {
    const color = parts(getComputedStyle(element).backgroundColor)
    const opacity = color[3] ?? 1
    if (opacity !== 0 && opacity !== 1) throw new Error('grounds that shine through are not reckoned')
    return opacity === 1 ? color : groundOf(element.parentElement)
  }
  function ownText(element) {
    const texts = Array.from(element.childNodes).filter(({ nodeType }) => nodeType === Node.TEXT_NODE)
    return texts.map(({ nodeValue }) => nodeValue.trim()).join('')
  }
  const found = []
  for (const element of document.querySelectorAll('body *')) {
    const text = ownText(element)
    if (text === '' || element.closest('.unseen, noscript') !== null) continue
    const { opacity, color } = getComputedStyle(element)
    if (opacity !== '1') throw new Error('text that shines through is not reckoned')
    const [one, other] = [luminance(parts(color)), luminance(groundOf(element))]
    found.push({ text, ratio: (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) })
  }
  return found
}

/** What the page has that could run, load or look like something of its own. */
export function strangers() {
  const strange = 'img, iframe, style, body svg[onload], plaintext, object, embed, form, input, base, [autofocus]'
  const names = Array.from(document.querySelectorAll('*')).flatMap((element) => element.getAttributeNames())
  return {
    scripts: Array.from(document.scripts, ({ src }) => new URL(src).pathname),
    elements: Array.from(document.querySelectorAll(strange), ({ tagName }) => tagName),
    handlers: names.filter((name) => name.startsWith('on') || name === 'style'),
  }
}

/** What hostile text would do if nothing had escaped it. */
export function misbehave() {
  const place = document.createElement('p')
  place.innerHTML = '<img src=x onerror="alert(1)"><svg onload="alert(1)"></svg><b style="color: red">x</b>'
  const script = document.createElement('script')
  script.textContent = 'alert(1)'
  document.body.append(place, script)
}
