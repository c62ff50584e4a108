// Style is prettier's. What is checked here is what a reader relies on: types without holes, promises that are awaited,
// and imports that point downwards only.
import js from '@eslint/js'
import importX, { createNodeResolver } from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

/** Who may not import whom: `target` never reaches into `from`. The same table is in test/architecture.test.ts. */
const DIRECTION = [
  { target: './src/kernel', from: './src/coordination', message: 'the seam knows nothing of what is built on it' },
  {
    target: './src/coordination',
    from: ['./src/hold.ts', './src/hold-set.ts', './src/holdfast.ts', './src/index.ts', './src/inspect.ts'],
    message: 'coordination knows no handles and no public functions',
  },
  {
    target: './src/coordination',
    from: ['./src/kernel/native-kernel.ts', './src/kernel/load-addon.ts'],
    message: 'coordination knows the seam, not the addon',
  },
  {
    target: ['./src/coordination', './src/kernel'],
    from: ['./src/stats.ts', './src/stats'],
    message: 'an entry point of its own costs nothing where it is not asked for',
  },
  {
    target: ['./src/!(adapters)/**/*', './src/*.ts'],
    from: './src/adapters',
    message: 'an adapter costs nothing where it is not asked for',
  },
  {
    target: './src/adapters',
    from: ['./src/!(adapters)/**/*', './src/!(index|errors|arguments).ts'],
    message: 'an adapter knows the public names',
  },
  {
    target: ['./src/coordination', './src/kernel', './src/stats', './src/adapters'],
    from: ['./src/session.ts', './src/session', './src/door.ts'],
    message: 'the session writer costs nothing where it is not asked for, and its door is for nobody else',
  },
  {
    target: ['./src/!(postgres)/**/*', './src/!(postgres).ts'],
    from: ['./src/postgres.ts', './src/postgres'],
    message: 'another engine costs nothing where it is not asked for',
  },
  {
    target: ['./src/!(cli)/**/*', './src/!(cli).ts'],
    from: ['./src/cli.ts', './src/cli', './src/cli-door.ts'],
    message: 'the program is built on the package, not the package on the program',
  },
  {
    target: ['./src/cli.ts', './src/cli'],
    from: ['./src/!(cli)/**/*', './src/!(index|stats|cli|cli-door).ts'],
    message: 'the program knows the public names, and its door',
  },
]

export default tseslint.config(
  { ignores: ['**/dist', 'build*', 'prebuilds', 'coverage', 'bench/node_modules'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: {
        project: [
          './test/tsconfig.json',
          './examples/gateway/tsconfig.json',
          './examples/multi-host/tsconfig.json',
          './lab/tsconfig.json',
          './lab/simulation/tsconfig.json',
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    // Imports name what is built, `.js`; what is checked is their sources.
    settings: { 'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })] },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowNullish: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { zones: DIRECTION }],
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'setTimeout',
          'clearTimeout',
          'setImmediate',
          'setInterval',
          'clearInterval',
          'URL',
          'Buffer',
          'performance',
          'require',
          'module',
          '__dirname',
          'AbortController',
          'AbortSignal',
          'SharedArrayBuffer',
          'Int32Array',
          'Atomics',
          'structuredClone',
          'queueMicrotask',
          'fetch',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
)
