// Modules of Node that take longer to load than all of this package, and that no import of it needs: loaded when they are
// first asked for.
export const fs = () => process.getBuiltinModule('node:fs')
export const os = () => process.getBuiltinModule('node:os')
export const util = () => process.getBuiltinModule('node:util')
export const workerThreads = () => process.getBuiltinModule('node:worker_threads')
