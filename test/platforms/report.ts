// A test runner small enough to work where none does: each case prints one line when it has ended.
export interface Case {
  readonly title: string
  readonly run: () => void | Promise<void>
}

/** Thrown by a case that this machine cannot run; the message is the reason. */
export class Skip extends Error {}

/** An emulator needs its time. */
const LONGEST_CASE = 120_000

export class Report {
  private passed = 0
  private failed = 0
  private skipped = 0

  get failures(): number {
    return this.failed
  }

  async run({ title, run }: Case): Promise<void> {
    try {
      await withinTime(run)
      this.passed++
      console.log(`ok - ${title}`)
    } catch (error) {
      if (error instanceof Skip) this.skip(title, error.message)
      else this.fail(title, error)
    }
  }

  skip(title: string, reason: string): void {
    this.skipped++
    console.log(`skipped - ${title}: ${reason}`)
  }

  summary(): string {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`
  }

  private fail(title: string, error: unknown): void {
    this.failed++
    console.log(`not ok - ${title}`)
    console.log(String(error instanceof Error ? error.stack : error).replace(/^/gm, '    '))
  }
}

async function withinTime(run: Case['run']): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LONGEST_CASE} ms`)), LONGEST_CASE)
  })
  try {
    await Promise.race([run(), late])
  } finally {
    clearTimeout(timer)
  }
}
