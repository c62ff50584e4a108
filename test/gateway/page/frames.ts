// Reads server-sent events as a browser does, and puts the sections together.
import { onTestFinished } from 'vitest'

export interface Frame {
  readonly now: number
  readonly sections: Readonly<Record<string, string>>
}

export class Frames {
  /** What a browser would show now. */
  readonly sections = new Map<string, string>()
  readonly texts: string[] = []
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly decoder = new TextDecoder()
  private rest = ''

  private constructor(body: ReadableStream<Uint8Array>) {
    this.reader = body.getReader()
  }

  static async open(url: string): Promise<Frames> {
    const leaving = new AbortController()
    onTestFinished(() => leaving.abort())
    const response = await fetch(url, { signal: leaving.signal })
    if (response.status !== 200 || response.body === null) throw new Error(`answered ${response.status}`)
    return new Frames(response.body)
  }

  /** What is sent next, as it is: `retry: …`, `data: …` or a comment; null at the end. */
  async text(): Promise<string | null> {
    while (!this.rest.includes('\n\n')) {
      const { value, done } = await this.reader.read()
      if (done) return null
      this.rest += this.decoder.decode(value, { stream: true })
    }
    const end = this.rest.indexOf('\n\n')
    const text = this.rest.slice(0, end)
    this.rest = this.rest.slice(end + 2)
    this.texts.push(text)
    return text
  }

  async next(): Promise<Frame> {
    for (;;) {
      const text = await this.text()
      if (text === null) throw new Error('the events ended')
      if (!text.startsWith('data: ')) continue
      const frame = JSON.parse(text.slice('data: '.length)) as Frame
      for (const [id, markup] of Object.entries(frame.sections)) this.sections.set(id, markup)
      return frame
    }
  }

  async leave(): Promise<void> {
    await this.reader.cancel()
  }
}
