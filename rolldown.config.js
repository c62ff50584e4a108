// One file for each entry point, and one for what they share, so that they are one instance of it. Few files make a short
// import.
import { defineConfig } from 'rolldown'

const CLI = /[\\/]src[\\/]cli(\.ts$|[\\/])/

export default defineConfig({
  input: {
    index: 'src/index.ts',
    session: 'src/session.ts',
    stats: 'src/stats.ts',
    'adapters/session-write-lock': 'src/adapters/session-write-lock.ts',
    'adapters/proper-lockfile': 'src/adapters/proper-lockfile.ts',
    postgres: 'src/postgres.ts',
    cli: 'src/cli.ts',
  },
  platform: 'node',
  // Of those who lock through a database, and theirs.
  external: ['pg'],
  output: {
    dir: 'dist',
    format: 'esm',
    // The program is no part of what others import, and each of its commands is a file: it loads the one it runs.
    codeSplitting: {
      groups: [
        { name: 'cli/shared', test: CLI, minShareCount: 2, priority: 1 },
        { name: 'core', test: (file) => !CLI.test(file), minShareCount: 2 },
      ],
    },
    chunkFileNames: ({ name, moduleIds }) =>
      moduleIds.some((file) => CLI.test(file)) && !name.startsWith('cli/') ? 'cli/[name].js' : '[name].js',
    minifyInternalExports: false,
  },
})
