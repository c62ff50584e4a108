// What native/addon.cc exports. Only native-kernel.ts calls it, and it checks nothing that arrives.
import type { FileState } from './data-files.js'
import type { Mount } from './mount-table.js'

export interface Library {
  /** An error's number where there is no memory for it. */
  attach(onSettled: (lease: number) => void): Addon | number
}

/** What is asked of change_door.cc: numbers of native/change.h, texts that are empty and bytes that are null where unused. */
export interface AddonWish {
  task: number
  expected: number
  path: string
  other: string
  bytes: Uint8Array | null
  name: string
  size: number
  synced: boolean
  folder: boolean
  carries: boolean
  forgetful: boolean
  tail: boolean
  from: number
  most: number
  mode: number
  lease: number
  ends: boolean
  ending: Uint8Array | null
  prefix: number
}

export interface AddonReport {
  came: number
  error: number
  call: string
  ended: boolean
  undone: boolean
  before: FileState | null
  after: FileState | null
  seen: Uint8Array
}

/** One user's door to the library. */
export interface Addon {
  change(wish: AddonWish): number
  changed(number: number): AddonReport
  claim(lease: number, path: string): number
  create(path: string, target: string): number
  distrust(): void
  drop(lease: number): void
  enterGuard(lease: number): boolean
  exitGuard(lease: number): void
  failure(): [error: number, call: string]
  followLink(path: string, aside: boolean): string | number
  identify(path: string, target: string, aside: boolean): string | number
  limit(lease: number, milliseconds: number, ending: Uint8Array | null, prefix: number): number
  limitWait(lease: number, grace: number, rest: number): void
  look(path: string): number
  looked(lease: number): string | number
  mounts(): Omit<Mount, 'options'>[]
  names(lease: number, path: string): number
  peek(path: string, aside: boolean): string | number | null
  probe(path: string, aside: boolean): { held: boolean; content: string | null } | number
  read(lease: number, bytes: Uint8Array): number
  readLink(path: string): string | number
  release(lease: number, ending: Uint8Array | null, prefix: number): void
  request(path: string, mode: number, how: number): number
  requestDistant(path: string, mode: number, how: number, target: string): number
  trust(): void
  write(lease: number, bytes: Uint8Array): number
}
