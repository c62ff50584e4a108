// Filesystems as tests say they are. No test runner in here: it also runs by a script.
import type { Filesystem } from '../../src/kernel/filesystem.js'

const SOMEWHERE = { mount: '/', source: 'test', type: 'test', reason: 'a test says so' }

/** What else a lock's target says, where nothing is left open. */
export const SURE = { unfollowed: false, strict: false }

export const LOCAL: Filesystem = { ...SOMEWHERE, kind: 'local', distant: false }

/** One whose calls may never return, as far as holdfast knows. */
export const DISTANT: Filesystem = { ...SOMEWHERE, kind: 'network', distant: true }
