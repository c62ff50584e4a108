// A screen that is drawn again and again in place: the terminal's second one, which is left as it was found however this
// process ends, but for SIGKILL. Only lines that changed are sent.
import type { Terminal } from '../terminal.js'

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J' // the second screen, no cursor, lines do not wrap
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'

const ETX = '\x03' // Ctrl-C, Ctrl-Z and Ctrl-L, as a terminal sends them that leaves them to us
const SUB = '\x1a'
const FF = '\x0c'

export class Screen {
  readonly #out: Terminal['out']
  readonly #changed: () => void
  readonly #quit: () => void
  #shown: string[] = []
  #entered = false

  /** `changed`: it is empty now, or of another size. `quit`: the user has seen enough. */
  constructor({ out }: Terminal, changed: () => void, quit: () => void) {
    this.#out = out
    this.#changed = changed
    this.#quit = quit
  }

  get rows(): number {
    return this.#out.rows || 24
  }

  open(): void {
    this.#out.on('resize', this.#redraw)
    process.on('exit', this.#leave)
    process.on('SIGCONT', this.#resume)
    process.on('SIGTSTP', this.#suspend)
    process.stdin.on('data', this.#typed)
    this.#enter()
  }

  close(): void {
    this.#leave()
    this.#out.off('resize', this.#redraw)
    process.off('exit', this.#leave)
    process.off('SIGCONT', this.#resume)
    process.off('SIGTSTP', this.#suspend)
    process.stdin.off('data', this.#typed)
    process.stdin.pause()
  }

  draw(lines: readonly string[]): void {
    if (!this.#entered) return
    const shown = lines.slice(0, this.rows)
    let text = ''
    for (let row = 0; row < Math.max(shown.length, this.#shown.length); row++) {
      const line = shown[row] ?? ''
      if (line !== this.#shown[row]) text += `\x1b[${row + 1};1H\x1b[K${line}`
    }
    this.#shown = shown
    if (text !== '') this.#out.write(text)
  }

  #enter(): void {
    this.#entered = true
    this.#shown = []
    // Keys are not shown, and come as they are typed.
    if (process.stdin.isTTY) process.stdin.setRawMode(true).resume()
    this.#out.write(ENTER)
  }

  readonly #leave = (): void => {
    if (!this.#entered) return
    this.#entered = false
    this.#out.write(LEAVE)
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
  }

  readonly #redraw = (): void => {
    if (!this.#entered) return
    this.#shown = []
    this.#out.write('\x1b[2J')
    this.#changed()
  }

  readonly #suspend = (): void => {
    this.#leave()
    process.kill(0, 'SIGSTOP') // with whoever started us, as the terminal would have done
  }

  readonly #resume = (): void => {
    if (this.#entered) return
    this.#enter()
    this.#changed()
  }

  readonly #typed = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) {
      if (key === 'q' || key === ETX) this.#quit()
      else if (key === SUB) this.#suspend()
      else if (key === FF) this.#redraw()
    }
  }
}
