// A module of a peer that may not be there: some compile, and that does not work everywhere.

const REASONS = {
  ERR_MODULE_NOT_FOUND: 'not installed',
  MODULE_NOT_FOUND: 'not installed',
  ERR_DLOPEN_FAILED: 'not built for this Node',
}

/** Resolves to what the module exports. Rejects with what a table shows in its place. */
export async function loadPeer(url) {
  return reasoned(() => import(url))
}

/** The same for the first use, where a peer may load its addon only then. */
export async function reasoned(action) {
  try {
    return await action()
  } catch (error) {
    const reason = REASONS[error.code]
    throw reason === undefined ? error : new Error(reason, { cause: error })
  }
}
