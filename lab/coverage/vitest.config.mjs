// The tests as they are, but for src/: Node loads it itself, so that what it notes is of the files as they lie there.
import { mergeConfig } from 'vitest/config'

import config from '../../vitest.config.ts'

export default mergeConfig(config, {
  test: {
    root: new URL('../..', import.meta.url).pathname,
    server: { deps: { external: [/\/src\/.*\.js$/] } },
    setupFiles: ['lab/coverage/take-notes.ts'],
    testTimeout: 120_000,
  },
})
