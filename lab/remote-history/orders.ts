// What is said between the driver and its processes.
import type { Mode } from '../history/events.js'

/** To a process. `rest`: begin nothing more and end nothing, until `go`. `tell`: say what is held and wanted. */
export type Order = 'rest' | 'go' | 'tell' | 'finish'

export interface State {
  readonly holds: readonly { readonly name: string; readonly mode: Mode }[]
  /** Names that it has asked for and not been answered. */
  readonly wanted: readonly string[]
}
