// The side of a process that is asked: answers calls by name until the driver goes away.

type Calls = Readonly<Record<string, (...args: never[]) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly args: never[]
}

export function serve(calls: Calls): void {
  process.on('message', ({ id, name, args }: Question) => {
    void answer(calls, name, args).then((said) => process.send?.({ id, ...said }))
  })
  process.once('disconnect', () => process.exit())
  process.send?.('ready')
}

async function answer(calls: Calls, name: string, args: never[]): Promise<{ value: unknown } | { error: string }> {
  try {
    return { value: await calls[name]?.(...args) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
