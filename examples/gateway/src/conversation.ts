// What the lines of a transcript come to: which messages wait for an answer, in their order, and which sub-agents for their
// turn. Made from the file alone, so every process that reads it comes to the same.
import { reportOf, type Line, type Message } from './lines.js'

export interface Task {
  readonly to: string
  readonly agent: number
}

export class Conversation {
  /** How many lines it was made of. */
  lines = 0
  answered = 0
  private readonly known = new Set<string>()
  private readonly answers = new Set<string>()
  private readonly reports = new Set<string>()
  private readonly unanswered = new Map<string, Message>()
  private readonly due = new Map<string, Task>()

  static of(lines: Iterable<Line>): Conversation {
    const conversation = new Conversation()
    for (const line of lines) conversation.add(line)
    return conversation
  }

  add(line: Line): void {
    this.lines++
    switch (line.type) {
      case 'message':
        // That it is answered may be known before it is read: of a file that is read anew.
        if (!this.known.has(line.key) && !this.isAnswered(line.key)) this.unanswered.set(line.key, line)
        this.known.add(line.key)
        break
      case 'answer':
        this.answer(line.to)
        for (let agent = 0; agent < line.agents; agent++) this.assign({ to: line.to, agent })
        break
      case 'report':
        this.report(reportOf(line.to, line.agent))
        break
      case 'summary':
        for (const key of line.messages) this.known.add(key)
        for (const key of line.answers) this.answer(key)
        for (const key of line.reports) this.report(key)
    }
  }

  /** The oldest message without an answer. */
  get next(): Message | undefined {
    for (const message of this.unanswered.values()) return message
    return undefined
  }

  get waiting(): number {
    return this.unanswered.size
  }

  /** What sub-agents have not reported yet. */
  get tasks(): IterableIterator<Task> {
    return this.due.values()
  }

  /** The keys of all messages, answered or not. */
  get messages(): Iterable<string> {
    return this.known
  }

  isAnswered(key: string): boolean {
    return this.answers.has(key)
  }

  isReported({ to, agent }: Task): boolean {
    return this.reports.has(reportOf(to, agent))
  }

  /** Also for an answer that is known to be written, before it is read. */
  answer(key: string): void {
    if (this.answers.has(key)) return
    this.answers.add(key)
    this.answered++
    this.unanswered.delete(key)
  }

  /** Of the oldest message without an answer. */
  get oldest(): number | null {
    return this.next?.at ?? null
  }

  private assign(task: Task): void {
    const name = reportOf(task.to, task.agent)
    if (!this.reports.has(name)) this.due.set(name, task)
  }

  private report(name: string): void {
    this.reports.add(name)
    this.due.delete(name)
  }
}
