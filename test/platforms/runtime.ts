// How another process of this runtime is started. Under an emulator the runtime's own path is not enough: what starts
// these tests says what comes before it.
const command = JSON.parse(process.env.HOLDFAST_RUNTIME ?? 'null') as string[] | null

export const [program = process.execPath, ...programArguments] = command ?? []
