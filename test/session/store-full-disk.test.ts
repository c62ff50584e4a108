// A disk that is full half-way through a replacement. What is in the file stays there; two packages that replace files as
// well are shown to lose it.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { describe, expect, test } from 'vitest'

import { openStore } from '../../src/session/store.js'
import { missing, program, type Capability } from '../helpers/capabilities.js'
import { mounts, tmpfs } from '../helpers/mount.js'
import { scratch } from '../helpers/scratch.js'
import { StoreProcess } from './store-process.js'

interface Sessions {
  text: string
}

const GOOD: Sessions = { text: 'x'.repeat(20_000) }
const TOO_LARGE = 'y'.repeat(200_000)

function fullDisk(): string {
  const file = join(tmpfs('size=64k'), 'sessions.json')
  writeFileSync(file, JSON.stringify(GOOD))
  return file
}

const names = (file: string): string[] => readdirSync(dirname(file)).sort()

describe.skipIf(missing(mounts))('on a disk that becomes full', () => {
  test('an update rejects with ENOSPC, the file stays as it was, and nothing is left beside it', async () => {
    const file = fullDisk()
    const before = readFileSync(file)
    const { ino } = statSync(file)
    await using store = await openStore<Sessions>(file)
    const thrown = store.update(() => {
      throw new Error('its own')
    })
    const lanes = [store.update(() => ({ text: TOO_LARGE })), store.update((value) => ({ ...value, more: 1 }))]
    await expect(thrown).rejects.toThrow('its own')
    for (const outcome of await Promise.allSettled(lanes)) {
      const reason = { code: 'ERR_SESSION_SYSTEM', undone: true, cause: { code: 'ENOSPC', syscall: 'write' } }
      expect(outcome).toMatchObject({ status: 'rejected', reason })
    }
    expect(readFileSync(file).equals(before)).toBe(true)
    expect(statSync(file).ino).toBe(ino)
    expect(names(file)).toEqual(['sessions.json', 'sessions.json.hold'])
  })

  test('the next update that has room is written', async () => {
    const file = fullDisk()
    await using store = await openStore<Sessions>(file)
    await expect(store.update(() => ({ text: TOO_LARGE }))).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM' })
    await store.update(({ text }) => ({ text: `${text}!` }))
    expect(await store.read()).toEqual({ text: `${GOOD.text}!` })
  })

  test('a file that cannot be read is not begun anew where its bytes find no room', async () => {
    const file = fullDisk()
    const cut = JSON.stringify(TOO_LARGE).slice(0, 40_000)
    writeFileSync(file, cut)
    const options = { initial: { text: '' }, onUnreadable: 'start-anew' } as const
    await expect(openStore<Sessions>(file, options)).rejects.toMatchObject({ cause: { code: 'ENOSPC' } })
    expect(readFileSync(file, 'utf8')).toBe(cut)
    expect(names(file)).toEqual(['sessions.json', 'sessions.json.hold'])
  })

  /** How others replace a file: what the package exports is called with a path and its new content. */
  const PEERS: readonly [string, (module: Record<string, unknown>) => unknown][] = [
    ['write-file-atomic', (module) => module['default']],
    ['atomically', (module) => module['writeFile']],
  ]
  const bench = fileURLToPath(new URL('../../bench/', import.meta.url))

  describe.for(PEERS)('%s', ([name, functionOf]) => {
    const peer: Capability = {
      name: `${name} (npm ci in bench/)`,
      there: existsSync(join(bench, 'node_modules', name)),
    }
    test.skipIf(missing(peer))('resolves, and has put a part of the new content in the place of the old', async () => {
      const file = fullDisk()
      const url = pathToFileURL(createRequire(bench).resolve(name)).href
      const write = functionOf((await import(url)) as Record<string, unknown>) as (
        path: string,
        text: string,
      ) => Promise<void>
      const text = JSON.stringify({ text: TOO_LARGE })
      await write(file, text)
      const left = readFileSync(file, 'utf8')
      expect(left.length).toBeLessThan(text.length)
      expect(() => void JSON.parse(left)).toThrow(SyntaxError)
    })
  })
})

const prlimit = program('prlimit')

test.skipIf(missing(prlimit))(
  'a write that ends at any byte of the new content leaves the old one, and one that ends after it the new one',
  { timeout: 120_000 },
  async () => {
    const file = join(scratch(), 'sessions.json')
    const old = '{"n":0}\n'
    const text = 'z'.repeat(24)
    const length = JSON.stringify({ n: 1, text }).length + 1
    const other = await StoreProcess.start(file)
    const limit = (bytes: number | 'unlimited'): void => {
      execFileSync('prlimit', ['--pid', String(other.pid), `--fsize=${bytes}:unlimited`])
    }
    await other.ask('write', 'the lock file is made before there is a limit')
    for (let bytes = 0; bytes <= length + 1; bytes++) {
      writeFileSync(file, old)
      limit(bytes)
      const outcome = await other.ask('write', text).then(
        () => 'written',
        (error: unknown) => error,
      )
      limit('unlimited')
      if (bytes >= length) {
        expect(outcome).toBe('written')
        expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ n: 1, text })
      } else {
        expect(outcome).toMatchObject({ code: 'ERR_SESSION_SYSTEM', undone: true, causeCode: 'EFBIG' })
        expect(readFileSync(file, 'utf8')).toBe(old)
      }
      expect(names(file)).toEqual(['sessions.json', 'sessions.json.hold'])
    }
  },
)
