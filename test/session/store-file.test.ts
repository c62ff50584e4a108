// The file of a store: what it begins with, what it keeps, what it is made of, and what becomes of one that cannot be read.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { acquire, inspect } from '../../src/index.js'
import { openStore, updateJson, type StoreOptions } from '../../src/session/store.js'
import { missing, posix, root } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

interface Sessions {
  [key: string]: unknown
}

function newFile(content?: string | Uint8Array, name = 'sessions.json'): string {
  const file = join(scratch(), name)
  if (content !== undefined) writeFileSync(file, content)
  return file
}

const text = (file: string): string => readFileSync(file, 'utf8')
const others = (file: string): string[] => {
  return readdirSync(dirname(file)).filter((name) => name !== basename(file) && name !== `${basename(file)}.hold`)
}
const isSession = (value: unknown): value is Sessions => typeof value === 'object' && value !== null && 'key' in value

describe('a missing file', () => {
  test('stands for `initial`, and is not made by reading', async () => {
    const file = newFile()
    await using store = await openStore<Sessions>(file, { initial: { key: 1 } })
    expect(await store.read()).toEqual({ key: 1 })
    expect(others(file)).toEqual([])
    expect(() => text(file)).toThrow(/ENOENT/)
  })

  test('stands for what a function makes, anew each time', async () => {
    let calls = 0
    await using store = await openStore(newFile(), { initial: () => ({ calls: ++calls }) })
    const before = (await store.read()).calls
    expect((await store.read()).calls).toBe(before + 1)
  })

  test('is made by the first update from `initial`, which stays as the caller has it', async () => {
    const file = newFile()
    const initial: Sessions = { key: 1 }
    await using store = await openStore<Sessions>(file, { initial })
    const update = store.update((value) => ({ ...Object.assign(value, { key: 2 }) }))
    expect(await update).toEqual({ key: 2 })
    expect(initial).toEqual({ key: 1 })
    expect(JSON.parse(text(file))).toEqual({ key: 2 })
  })

  test('is refused where nothing stands for it, until somebody makes it', async () => {
    const file = newFile()
    await using store = await openStore<Sessions>(file)
    const refusal = { code: 'ERR_SESSION_SYSTEM', path: file, cause: { code: 'ENOENT', path: file, syscall: 'open' } }
    await expect(store.read()).rejects.toMatchObject(refusal)
    await expect(store.update((value) => value)).rejects.toMatchObject(refusal)
    expect(others(file)).toEqual([])
    writeFileSync(file, '{}')
    expect(await store.read()).toEqual({})
  })

  test('in a missing folder is refused with what the system says', async () => {
    const file = join(scratch(), 'no', 'sessions.json')
    await using store = await openStore<Sessions>(file, { initial: {} })
    await expect(store.update((value) => value)).rejects.toMatchObject({ cause: { code: 'ENOENT' } })
  })

  test('that is deleted between two updates begins anew', async () => {
    const file = newFile()
    await using store = await openStore(file, { initial: [0] })
    await store.update((value) => [...value, 1])
    rmSync(file)
    expect(await store.update((value) => [...value, 2])).toEqual([0, 2])
  })
})

describe('validate', () => {
  test('refuses what an update answers with, and the file stays as it was', async () => {
    const file = newFile('{"key":1}')
    await using store = await openStore<Sessions>(file, { validate: isSession })
    const [bad, good] = await Promise.allSettled([
      store.update(() => ({ other: 1 })),
      store.update((value) => void Object.assign(value, { more: true })),
    ])
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'ERR_SESSION_VALUE', path: file } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { key: 1, more: true } })
    expect(JSON.parse(text(file))).toEqual({ key: 1, more: true })
  })

  test('judges what would be read: what the value becomes as JSON', async () => {
    const validate = (value: unknown): boolean => typeof value === 'string'
    await using store = await openStore<unknown>(newFile('"a"'), { validate })
    await store.update(() => new Date(0))
    expect(await store.read()).toBe('1970-01-01T00:00:00.000Z')
  })

  test('may throw, and what it threw is the cause', async () => {
    const thrown = new Error('no key')
    const validate = (value: unknown): void => {
      if (!isSession(value)) throw thrown
    }
    const file = newFile('{"key":1}')
    await using store = await openStore<Sessions>(file, { validate })
    await expect(store.update(() => ({}))).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE', cause: thrown })
    writeFileSync(file, '{}')
    await expect(store.read()).rejects.toMatchObject({ code: 'ERR_SESSION_UNREADABLE', cause: thrown })
  })

  test('must not answer with a promise, which would accept everything', async () => {
    const validate = (): Promise<boolean> => Promise.resolve(false)
    await expect(openStore(newFile('{}'), { validate })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  test('refuses an `initial` that is not valid before anything is done with the store', async () => {
    const options = { initial: {}, validate: isSession }
    await expect(openStore<Sessions>(newFile(), options)).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE' })
    const cycle: Sessions = {}
    cycle['self'] = cycle
    await expect(openStore(newFile(), { initial: cycle })).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE' })
  })
})

const UNREADABLE: readonly [string, string | Uint8Array][] = [
  ['that is empty', ''],
  ['of null bytes', '\0\0\0\0\0\0\0\0'],
  ['that is cut off', '{"key":1,"sessions":{"a":'],
  ['with something after its value', '{"key":1}{"key":2}'],
  ['that is not UTF-8', Buffer.from('{"key":"\xff"}', 'latin1')],
  ['that validate refuses', '{"other":1}'],
]

describe.for(UNREADABLE)('a file %s', ([, content]) => {
  const bytes = Buffer.from(content)

  test('is refused by everything, and stays as it is', async () => {
    const file = newFile(content)
    const options = { validate: isSession, initial: { key: 0 } }
    const refusal = { code: 'ERR_SESSION_UNREADABLE', path: file }
    await expect(openStore<Sessions>(file, options)).rejects.toMatchObject(refusal)
    await expect(updateJson<Sessions>(file, () => ({ key: 1 }), options)).rejects.toMatchObject(refusal)
    renameSync(file, `${file}.away`)
    await using store = await openStore<Sessions>(file, options)
    renameSync(`${file}.away`, file)
    const updates = [store.read(), store.update(() => ({ key: 1 })), store.update(() => ({ key: 2 }))]
    for (const outcome of await Promise.allSettled(updates)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: refusal })
    }
    expect(readFileSync(file).equals(bytes)).toBe(true)
    expect(others(file)).toEqual([])
  })

  test.for(['openStore', 'read', 'update', 'updateJson'])(
    'is begun anew by %s where that was asked for, and its bytes are kept beside it',
    async (how) => {
      const file = newFile('{"key":1}')
      const options: StoreOptions<Sessions> = {
        validate: isSession,
        initial: { key: 'new' },
        onUnreadable: 'start-anew',
      }
      const start = how === 'read' || how === 'update' ? await openStore<Sessions>(file, options) : null
      writeFileSync(file, content)
      if (how === 'openStore') await openStore<Sessions>(file, options)
      if (how === 'read') expect(await start?.read()).toEqual({ key: 'new' })
      if (how === 'update')
        expect(await start?.update((value) => ({ ...value, more: 1 }))).toEqual({ key: 'new', more: 1 })
      if (how === 'updateJson') await updateJson<Sessions>(file, (value) => value, options)
      const [aside, ...more] = others(file)
      expect(more).toEqual([])
      expect(aside).toMatch(/^sessions\.json\.corrupt-\d{8}T\d{9}Z$/)
      expect(readFileSync(join(dirname(file), String(aside))).equals(bytes)).toBe(true)
      expect(JSON.parse(text(file))).toMatchObject({ key: 'new' })
    },
  )
})

describe('a file that is begun anew', () => {
  const anew: StoreOptions<Sessions> = { initial: {}, onUnreadable: 'start-anew' }

  test('is not lost where its bytes cannot be kept', async () => {
    // Every name for a copy is too long for the system.
    const long = newFile('{"cut', 'x'.repeat(240))
    await expect(openStore<Sessions>(long, anew)).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM' })
    expect(text(long)).toBe('{"cut')
    expect(others(long)).toEqual([])
  })

  test('is so though the update that found it fails', async () => {
    const file = newFile('{}')
    await using store = await openStore<Sessions>(file, anew)
    writeFileSync(file, '{"cut')
    const update = store.update(() => {
      throw new Error('no')
    })
    await expect(update).rejects.toThrow('no')
    expect(text(file)).toBe('{}\n')
    expect(others(file)).toHaveLength(1)
  })

  test('is told of, with the place of its bytes and the reason', async () => {
    const file = newFile('{"cut')
    const events: unknown[] = []
    const listener = (event: unknown): void => void events.push(event)
    subscribe('holdfast:store', listener)
    onTestFinished(() => void unsubscribe('holdfast:store', listener))
    await openStore<Sessions>(file, anew)
    const [aside] = others(file).map((name) => join(dirname(file), name))
    const cause = { code: 'ERR_SESSION_UNREADABLE', path: file }
    expect(events).toMatchObject([{ kind: 'unreadable', path: file, bytes: 5, aside, cause }])
  })

  test('is kept each time: a copy never takes the place of another, though it is of the same moment', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 21, 15, 0, 0, 7) })
    onTestFinished(() => void vi.useRealTimers())
    const file = newFile('{}')
    await using store = await openStore<Sessions>(file, anew)
    for (const round of [1, 2, 3]) {
      writeFileSync(file, `{"cut${round}\n`)
      await store.read()
    }
    const names = ['', '-2', '-3'].map((count) => `sessions.json.corrupt-20261121T150000007Z${count}`)
    expect(others(file).sort()).toEqual(names)
    expect(names.map((name) => text(join(dirname(file), name)))).toEqual(['{"cut1\n', '{"cut2\n', '{"cut3\n'])
  })

  test('needs something to begin with', async () => {
    const options = { onUnreadable: 'start-anew' } as const
    await expect(openStore(newFile('{'), options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  })
})

describe('what is written', () => {
  test('is as compact as JSON.stringify() makes it, and ends with a newline', async () => {
    const file = newFile()
    await updateJson(file, (value) => value, { initial: { key: [1, 2] } })
    expect(text(file)).toBe('{"key":[1,2]}\n')
  })

  test.for([
    [2, '{\n  "key": 1\n}\n'],
    ['\t', '{\n\t"key": 1\n}\n'],
  ] as const)('has the indent that was asked for: %j', async ([indent, expected]) => {
    const file = newFile()
    await updateJson(file, (value) => value, { initial: { key: 1 }, indent })
    expect(text(file)).toBe(expected)
  })

  test('was the same with a byte order mark before it', async () => {
    const file = newFile('\uFEFF{"key":1}')
    await using store = await openStore<Sessions>(file)
    expect(await store.read()).toEqual({ key: 1 })
  })

  test('has every key as it was: __proto__ is one like others', async () => {
    const file = newFile('{"__proto__":{"admin":true},"key":1}')
    await updateJson<Sessions>(file, (value) => void (value['key'] = 2))
    expect(text(file)).toBe('{"__proto__":{"admin":true},"key":2}\n')
  })
})

describe('the file', () => {
  test.skipIf(missing(posix))('is private when it is made, or has the mode that was asked for', async () => {
    const [one, two] = [newFile(), newFile()]
    await updateJson(one, (value) => value, { initial: {} })
    expect(statSync(one).mode & 0o777).toBe(0o600)
    await updateJson(two, (value) => value, { initial: {}, mode: 0o640 })
    expect(statSync(two).mode & 0o777).toBe(0o640)
  })

  test.skipIf(missing(posix))('has no bit by which whoever runs it is its owner, whatever it replaces', async () => {
    const file = join(scratch(), 'sessions.json')
    writeFileSync(file, '{}')
    chmodSync(file, 0o6775)
    await updateJson(file, () => ({ key: 1 }))
    expect(statSync(file).mode & 0o7777).toBe(0o775)
  })

  test.skipIf(missing(posix, root))('keeps its mode and its owner', async () => {
    const file = newFile('{}')
    chmodSync(file, 0o664)
    chownSync(file, 1234, 4321)
    const { ino } = statSync(file)
    await updateJson<Sessions>(file, () => ({ key: 1 }), { mode: 0o600 })
    const { mode, uid, gid, ino: now } = statSync(file)
    expect(now).not.toBe(ino)
    expect([mode & 0o7777, uid, gid]).toEqual([0o664, 1234, 4321])
  })

  test.skipIf(missing(posix))('behind a symlink is replaced where it is, and the link stays', async () => {
    const [folder, elsewhere] = [scratch(), scratch()]
    const [link, target] = [join(folder, 'link.json'), join(elsewhere, 'sessions.json')]
    writeFileSync(target, '{"n":0}')
    symlinkSync(target, link)
    await using store = await openStore<{ n: number }>(link)
    await Promise.all([
      store.update(({ n }) => ({ n: n + 1 })),
      updateJson<{ n: number }>(target, ({ n }) => ({ n: n + 1 })),
    ])
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(lstatSync(target).isSymbolicLink()).toBe(false)
    expect(await store.read()).toEqual({ n: 2 })
    expect(readdirSync(folder)).toEqual(['link.json'])
    expect(readdirSync(elsewhere).sort()).toEqual(['sessions.json', 'sessions.json.hold'])
  })

  test.skipIf(missing(posix))('behind a symlink that leads nowhere is made there', async () => {
    const [folder, elsewhere] = [scratch(), scratch()]
    symlinkSync(join(elsewhere, 'sessions.json'), join(folder, 'link.json'))
    await using store = await openStore<Sessions>(join(folder, 'link.json'), { initial: { key: 1 } })
    expect(await store.read()).toEqual({ key: 1 })
    await store.update((value) => value)
    expect(text(join(elsewhere, 'sessions.json'))).toBe('{"key":1}\n')
  })

  test.skipIf(missing(posix))('is where the symlink leads now', async () => {
    const [one, two] = [newFile('{"key":1}'), newFile('{"key":2}')]
    const link = join(scratch(), 'link.json')
    symlinkSync(one, link)
    await using store = await openStore<Sessions>(link)
    expect(await store.read()).toEqual({ key: 1 })
    rmSync(link)
    symlinkSync(two, link)
    expect(await store.update((value) => ({ ...value, more: 1 }))).toEqual({ key: 2, more: 1 })
    expect(text(one)).toBe('{"key":1}')
  })

  test('that has a second name leaves the old content to that', async () => {
    const file = newFile('{"key":1}')
    linkSync(file, `${file}.second`)
    await updateJson<Sessions>(file, () => ({ key: 2 }))
    expect([text(file), text(`${file}.second`)]).toEqual(['{"key":2}\n', '{"key":1}'])
  })

  test('may have a name that is nearly too long', async () => {
    const file = newFile('{}', 'ä'.repeat(124))
    await updateJson<Sessions>(file, () => ({ key: 1 }))
    expect(text(file)).toBe('{"key":1}\n')
    expect(others(file)).toEqual([])
  })

  test('is the one that was meant when the store was opened, wherever the process goes', async () => {
    const before = process.cwd()
    onTestFinished(() => process.chdir(before))
    const [here, there] = [newFile('{"key":1}'), scratch()]
    mkdirSync(join(dirname(here), 'sub'))
    process.chdir(dirname(here))
    await using plain = await openStore<Sessions>('sessions.json')
    await using upwards = await openStore<Sessions>('sub/../sessions.json')
    process.chdir(there)
    expect(await plain.update((value) => ({ ...value, a: 1 }))).toEqual({ key: 1, a: 1 })
    expect(await upwards.update((value) => ({ ...value, b: 1 }))).toEqual({ key: 1, a: 1, b: 1 })
    expect(await upwards.read()).toEqual(await plain.read())
    expect(plain.path).toBe(here)
  })

  test.skipIf(missing(posix))(
    'is where the system goes up to from a linked folder, not where the text does',
    async () => {
      const [real, elsewhere] = [scratch(), scratch()]
      mkdirSync(join(real, 'sub'))
      symlinkSync(join(real, 'sub'), join(elsewhere, 'link'))
      const file = join(real, 'sessions.json')
      writeFileSync(file, '{"key":1}')
      await using store = await openStore<Sessions>(`${elsewhere}/link/../sessions.json`)
      expect(await store.update((value) => ({ ...value, more: 1 }))).toEqual({ key: 1, more: 1 })
      expect(JSON.parse(text(file))).toEqual(await store.read())
      expect(others(file)).toEqual(['sub'])
    },
  )

  test('may be named by a URL', async () => {
    const file = newFile('{"key":1}')
    await using store = await openStore<Sessions>(pathToFileURL(file))
    expect(await store.read()).toEqual({ key: 1 })
  })

  test('may be locked by another one', async () => {
    const file = newFile('{}')
    const lockfile = join(scratch(), 'all-stores')
    await using store = await openStore<Sessions>(file, { lockfile, timeout: 10 })
    const hold = await acquire(file, { lockfile })
    await expect(store.update(() => ({}))).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT', lockfile })
    hold.release()
    await store.update(() => ({ key: 1 }))
    expect(inspect(file, { lockfile }).state).toBe('free')
    expect(readdirSync(dirname(file))).toEqual(['sessions.json'])
  })

  test('is refused where it is no file', async () => {
    const folder = scratch()
    const refusal = { code: 'ERR_SESSION_SYSTEM', path: folder, cause: { code: 'EISDIR' } }
    await expect(openStore(folder)).rejects.toMatchObject(refusal)
  })
})

describe('options', () => {
  test.for<[string, unknown, string]>([
    ['initail', {}, 'ERR_INVALID_ARG_VALUE'],
    ['validate', 'yes', 'ERR_INVALID_ARG_TYPE'],
    ['indent', '--', 'ERR_INVALID_ARG_VALUE'],
    ['indent', 11, 'ERR_OUT_OF_RANGE'],
    ['indent', true, 'ERR_INVALID_ARG_TYPE'],
    ['mode', 0o1000, 'ERR_OUT_OF_RANGE'],
    ['mode', '600', 'ERR_INVALID_ARG_TYPE'],
    ['durability', 'each', 'ERR_INVALID_ARG_VALUE'],
    ['timeout', -1, 'ERR_OUT_OF_RANGE'],
    ['label', 1, 'ERR_INVALID_ARG_TYPE'],
    ['maxHold', 0, 'ERR_OUT_OF_RANGE'],
    ['lockfile', '', 'ERR_INVALID_ARG_VALUE'],
    ['onUnreadable', 'overwrite', 'ERR_INVALID_ARG_VALUE'],
    ['signal', AbortSignal.abort(), 'ERR_INVALID_ARG_VALUE'],
  ])('are refused by name: %s: %j', async ([name, value, code]) => {
    const refused = openStore(newFile('{}'), { [name]: value })
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(name) as unknown })
  })

  test('come from no prototype', async () => {
    const options = Object.create({ onUnreadable: 'start-anew', initial: {} }) as object
    await expect(openStore(newFile('{'), options)).rejects.toMatchObject({ code: 'ERR_SESSION_UNREADABLE' })
  })
})
