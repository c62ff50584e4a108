// What the demo says while it runs: who did what, and when; and what it claims, with whether that came true.

export interface Claim {
  readonly claim: string
  readonly holds: boolean
}

export class Story {
  readonly claims: Claim[] = []
  private readonly out: (line: string) => void
  private start = Date.now()

  constructor(out: (line: string) => void) {
    this.out = out
  }

  chapter(title: string): void {
    this.start = Date.now()
    this.out(`\n${title}`)
  }

  /** `at`: milliseconds since 1970, of the process in which it happened. */
  tell(at: number, who: string, what: string): void {
    this.out(`  ${seconds(at - this.start).padStart(9)}  ${who.padEnd(8)}  ${what}`)
  }

  claim(claim: string, holds: boolean): void {
    this.claims.push({ claim, holds })
    this.out(`  ${(holds ? 'yes' : 'NO').padStart(9)}  ${claim}`)
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`
}
