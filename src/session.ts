/// <reference lib="esnext.disposable" preserve="true" />
// The entry point holdfast/session: files that many lanes and processes write at once, without losing a line.
export { isSessionError, SessionError } from './session/errors.js'
export type { SessionErrorCode, SessionErrorDetails } from './session/errors.js'
export type { TranscriptEvent } from './session/events.js'
export type { TranscriptLine } from './session/lines.js'
export type { Snapshot } from './session/snapshot.js'
export type { StoreEvent } from './session/store-events.js'
export { openStore, updateJson } from './session/store.js'
export type {
  Initial,
  Store,
  StoreOptions,
  Update,
  UpdateJsonOptions,
  Validate,
  WatchOptions,
} from './session/store.js'
export { openTranscript } from './session/transcript.js'
export type { Transcript } from './session/transcript.js'
export type {
  AppendOptions,
  CompactOptions,
  Durability,
  ReadOptions,
  TranscriptOptions,
  WaitOptions,
} from './session/transcript-options.js'
