// One file for each entry point, and one for what they share, so that they are one instance of it. Few files make a short
// import.
import { defineConfig } from 'rolldown'

export default defineConfig({
  input: {
    index: 'src/index.ts',
    session: 'src/session.ts',
    stats: 'src/stats.ts',
    'adapters/session-write-lock': 'src/adapters/session-write-lock.ts',
  },
  platform: 'node',
  output: {
    dir: 'dist',
    format: 'esm',
    codeSplitting: { groups: [{ name: 'core', minShareCount: 2 }] },
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
  },
})
