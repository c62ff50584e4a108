// The cases as people read them: for each operation and call, what its failing came to.
import type { Case, Task } from './subject.js'

export interface Told {
  readonly task: Task
  readonly cases: readonly Case[]
}

/** `EIO` once, `EIO…` from then on; a transfer of one byte is a `part`. */
function kindOf({ family, error, times }: Task): string {
  const name = family === 'transfers' ? 'part' : error
  return times === 1 ? name : `${name}…`
}

export function titleOf({ operation, distant }: Task): string {
  return distant ? `${operation}, aside` : operation
}

/** Words in the order in which they came. */
class Groups {
  private readonly kinds = new Map<string, Set<string>>()

  add(word: string, kind: string): void {
    const kinds = this.kinds.get(word) ?? new Set()
    this.kinds.set(word, kinds.add(kind))
  }

  text(): string {
    return [...this.kinds].map(([word, kinds]) => `${word} (${[...kinds].join(' ')})`).join('; ')
  }
}

export function printTable(all: readonly Told[]): void {
  const operations = new Map<string, Map<string, { groups: Groups; cases: number }>>()
  for (const { task, cases } of all) {
    const calls = operations.get(titleOf(task)) ?? new Map<string, { groups: Groups; cases: number }>()
    operations.set(titleOf(task), calls)
    for (const { call, came } of cases) {
      const row = calls.get(call) ?? { groups: new Groups(), cases: 0 }
      calls.set(call, row)
      row.cases++
      row.groups.add(came.replace(/^(refused|unsupported) .*$/, '$1'), kindOf(task))
    }
  }
  for (const [operation, calls] of operations) {
    console.log(`\n${operation}`)
    for (const [call, { groups, cases }] of calls) {
      console.log(`  ${call.padEnd(11)} ${String(cases).padStart(4)}  ${groups.text()}`)
    }
  }
}
