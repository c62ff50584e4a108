// Bad arguments. All of them are errors of Node's kind whose message names the option and what was expected, and none
// of them takes, creates or leaks anything.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import * as copy from '../../dist/index.js'
import {
  acquire,
  acquireAll,
  holds,
  inspect,
  isLockError,
  LockError,
  releaseAll,
  tryAcquire,
  withLock,
} from '../../src/index.js'
import { scratch } from '../helpers/scratch.js'

let folder: string
let target: string
beforeEach(() => {
  folder = join(scratch(), 'folder')
  mkdirSync(folder)
  target = join(folder, 'data')
})
afterEach(() => void releaseAll())

const TYPE = { class: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
const VALUE = { class: TypeError, code: 'ERR_INVALID_ARG_VALUE' }
const RANGE = { class: RangeError, code: 'ERR_OUT_OF_RANGE' }
type Expectation = typeof TYPE | typeof RANGE

interface Bad {
  readonly value: unknown
  readonly error: Expectation
  /** What the message says is expected. */
  readonly expected: string
}

const bad = (error: Expectation, expected: string, ...values: unknown[]): Bad[] =>
  values.map((value) => ({ value, error, expected }))

const NO_PROTOTYPE: unknown = Object.create(null)
const UNPRINTABLE = {
  toString() {
    throw new Error('do not print me')
  },
}

const PATHS = [
  ...bad(
    TYPE,
    'a string or a file URL',
    undefined,
    null,
    1,
    NaN,
    true,
    {},
    [],
    Symbol('path'),
    () => 'path',
    NO_PROTOTYPE,
  ),
  ...bad(TYPE, 'a string or a file URL', new String('path'), Buffer.from('path')),
  ...bad(VALUE, 'not empty', ''),
  ...bad(VALUE, 'null bytes', 'a\0b', '\0', new URL('file:///a%00b')),
]

const OPTIONS: Record<string, Bad[]> = {
  mode: bad(
    VALUE,
    `'exclusive' or 'shared'`,
    '',
    'Exclusive',
    'write',
    null,
    1,
    true,
    {},
    [],
    Symbol('mode'),
    NO_PROTOTYPE,
    UNPRINTABLE,
  ),
  timeout: [
    ...bad(TYPE, 'milliseconds', null, '100', true, {}, [], 100n, new Date(0), Symbol('timeout'), NO_PROTOTYPE),
    ...bad(RANGE, '0 or more milliseconds', NaN, -1, -0.5, -Infinity, -Number.MIN_VALUE),
  ],
  signal: bad(
    TYPE,
    'an AbortSignal',
    null,
    1,
    'signal',
    true,
    {},
    [],
    new AbortController(),
    new EventTarget(),
    NO_PROTOTYPE,
  ),
  label: bad(TYPE, 'a string', null, 1, true, {}, [], Symbol('label'), new String('label'), NO_PROTOTYPE),
  lockfile: PATHS.filter(({ value }) => value !== undefined),
  record: bad(TYPE, 'a boolean', null, 0, 1, '', 'true', {}, [], NO_PROTOTYPE),
}

const show = (value: unknown): string => {
  if (value === NO_PROTOTYPE) return 'an object without prototype'
  if (value === UNPRINTABLE) return 'an object that cannot be printed'
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return `${value.constructor.name} ${JSON.stringify(value)}`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

// What is wrong on purpose has no type.
const anyOptions = (options: unknown) => options as never
const anyPath = (path: unknown) => path as never

type Ask = (path: unknown, options?: unknown) => unknown
const ACQUIRE: Ask = (path, options) => acquire(anyPath(path), anyOptions(options))
const TRY_ACQUIRE: Ask = (path, options) => tryAcquire(anyPath(path), anyOptions(options))
const WITH_LOCK: Ask = (path, options) =>
  withLock(anyPath(path), anyOptions(options), () => {
    throw new Error('the section ran')
  })
const ACQUIRE_ALL: Ask = (path, options) => acquireAll([anyPath(path)], anyOptions(options))
const INSPECT: Ask = (path, options) => inspect(anyPath(path), anyOptions(options))

/** Which entry points know which option. */
const ENTRY_POINTS = [
  {
    name: 'acquire',
    ask: ACQUIRE,
    throws: false,
    options: ['mode', 'timeout', 'signal', 'label', 'lockfile', 'record'],
  },
  {
    name: 'withLock',
    ask: WITH_LOCK,
    throws: false,
    options: ['mode', 'timeout', 'signal', 'label', 'lockfile', 'record'],
  },
  { name: 'acquireAll', ask: ACQUIRE_ALL, throws: false, options: ['mode', 'timeout', 'signal', 'label', 'record'] },
  { name: 'tryAcquire', ask: TRY_ACQUIRE, throws: true, options: ['mode', 'label', 'lockfile', 'record'] },
  { name: 'inspect', ask: INSPECT, throws: true, options: ['lockfile'] },
]

/** The error of a call; it must come the way this entry point reports errors. */
async function errorOf(throws: boolean, call: () => unknown): Promise<unknown> {
  let answer: unknown
  try {
    answer = call()
  } catch (error) {
    if (throws) return error
    throw new Error('it threw instead of rejecting', { cause: error })
  }
  if (throws) throw new Error('it did not throw')
  expect(answer).toBeInstanceOf(Promise)
  return (answer as Promise<unknown>).then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error,
  )
}

function expectRefusal(error: unknown, expectation: Expectation, name: string, expected: string): void {
  expect(error).toBeInstanceOf(expectation.class)
  expect(error).toMatchObject({ code: expectation.code })
  const { message } = error as Error
  expect(message).toContain(name)
  expect(message).toContain(expected)
  expect(holds()).toEqual([])
  expect(readdirSync(folder)).toEqual([])
}

describe.each(ENTRY_POINTS)('$name', ({ ask, throws, options }) => {
  const cases = options.flatMap((option) =>
    (OPTIONS[option] ?? []).map((one) => ({ ...one, option, shown: show(one.value) })),
  )

  test.each(cases)('refuses $option: $shown', async ({ option, value, error, expected }) => {
    expectRefusal(await errorOf(throws, () => ask(target, { [option]: value })), error, option, expected)
  })

  test.each(PATHS.map((one) => ({ ...one, shown: show(one.value) })))(
    'refuses the path $shown',
    async ({ value, error, expected }) => {
      expectRefusal(await errorOf(throws, () => ask(value)), error, 'path', expected)
    },
  )

  test.each(['http://example.com/data', 'data:,data'])('refuses the URL %s', async (url) => {
    const error = await errorOf(throws, () => ask(new URL(url)))
    expectRefusal(error, VALUE, 'path', 'file URL')
  })

  test.each([null, 1, 'exclusive', true, [], Symbol('options')].map((value) => ({ value, shown: show(value) })))(
    'refuses options that are $shown',
    async ({ value }) => {
      if (ask === WITH_LOCK && typeof value === 'function') return
      expectRefusal(await errorOf(throws, () => ask(target, value)), TYPE, 'options', 'an object')
    },
  )

  test('refuses an unknown option and names it, and those it knows', async () => {
    const error = await errorOf(throws, () => ask(target, { timout: 1 }))
    expectRefusal(error, VALUE, 'options', '"timout"')
    for (const option of options) expect((error as Error).message).toContain(option)
  })

  test('refuses an unknown option that is undefined', async () => {
    expectRefusal(await errorOf(throws, () => ask(target, { timout: undefined })), VALUE, 'options', '"timout"')
  })

  test.each(Object.keys(OPTIONS).filter((option) => !options.includes(option)))('does not know %s', async (option) => {
    expectRefusal(await errorOf(throws, () => ask(target, { [option]: undefined })), VALUE, 'options', `"${option}"`)
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'refuses an own option with the name %s',
    async (name) => {
      const parsed: unknown = JSON.parse(`{"${name}":{"mode":"shared"}}`)
      expectRefusal(await errorOf(throws, () => ask(target, parsed)), VALUE, 'options', `"${name}"`)
    },
  )

  test('rejects with the very error that a getter throws', async () => {
    const thrown = new Error('from the getter')
    for (const option of options) {
      const value = Object.defineProperty({}, option, {
        enumerable: true,
        get() {
          throw thrown
        },
      })
      expect(await errorOf(throws, () => ask(target, value))).toBe(thrown)
    }
    expect(holds()).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })

  test('reads each option once', async () => {
    const values: Record<string, unknown> = {
      mode: 'shared',
      timeout: 0,
      signal: new AbortController().signal,
      label: 'me',
      lockfile: join(folder, 'lock'),
      record: true,
    }
    const reads: string[] = []
    const counting = {}
    for (const option of options) {
      Object.defineProperty(counting, option, {
        enumerable: true,
        get() {
          reads.push(option)
          return values[option]
        },
      })
    }
    // withLock() runs into its section, which throws.
    await Promise.resolve(ask(target, counting)).catch(() => {})
    expect(reads.sort()).toEqual([...options].sort())
  })
})

describe('options that are inherited count for nothing', () => {
  test('in an object made from another', async () => {
    const hold = await acquire(target, anyOptions(Object.create({ mode: 'shared', label: 'inherited', timout: 1 })))
    expect([hold.mode, hold.label]).toEqual(['exclusive', undefined])
  })

  test('from a polluted prototype of all objects', async () => {
    const polluted = { mode: 'shared', timeout: -1, label: 'polluted', lockfile: join(folder, 'polluted'), timout: 1 }
    Object.assign(Object.prototype, polluted)
    try {
      const hold = await acquire(target, {})
      expect([hold.mode, hold.label, hold.lockfile]).toEqual(['exclusive', undefined, `${target}.hold`])
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
    }
  })

  test('and neither do symbols and what cannot be enumerated', async () => {
    const options = Object.defineProperty({ [Symbol('mode')]: 'shared' }, 'mode', {
      value: 'shared',
      enumerable: false,
    })
    expect((await acquire(target, anyOptions(options))).mode).toBe('exclusive')
  })
})

describe('options that are good', () => {
  test('undefined means the default, for all of them', async () => {
    const none = {
      mode: undefined,
      timeout: undefined,
      signal: undefined,
      label: undefined,
      lockfile: undefined,
      record: undefined,
    }
    const hold = await acquire(target, none)
    expect(hold).toMatchObject({ mode: 'exclusive', label: undefined, lockfile: `${target}.hold` })
    expect(hold.fence).not.toBeNull()
  })

  test('options without a prototype are read', async () => {
    const options: object = Object.assign(Object.create(null) as object, { mode: 'shared' })
    expect((await acquire(target, options)).mode).toBe('shared')
  })

  test('frozen options are read, and not changed', async () => {
    const options = Object.freeze({ mode: 'shared', label: 'me' } as const)
    expect(await acquire(target, options)).toMatchObject(options)
  })

  test.each([Infinity, Number.MAX_VALUE, 2 ** 31, 0.5, 0, -0])('a timeout of %d is allowed', async (timeout) => {
    expect((await acquire(target, { timeout })).held).toBe(true)
  })

  test('a file URL names the same lock as its path', async () => {
    const odd = join(folder, 'mit Leerzeichen & 100 %')
    const hold = await acquire(pathToFileURL(odd))
    expect(hold.path).toBe(odd)
    expect(tryAcquire(odd)).toBeNull()
  })

  test('a relative path counts from the working directory at the time of the call', async () => {
    const before = process.cwd()
    process.chdir(folder)
    const promise = acquire('data')
    process.chdir(before)
    const hold = await promise
    expect(hold.path).toBe(target)
    hold.assertHeld()
  })

  test('an empty label is a label', async () => {
    expect((await acquire(target, { label: '' })).label).toBe('')
  })

  test('record: false writes nothing and hands out no fence', async () => {
    const hold = await acquire(target, { record: false })
    expect(hold.fence).toBeNull()
    expect(inspect(target)).toMatchObject({ state: 'held', record: null })
  })
})

describe('a signal', () => {
  test('that has aborted rejects with its reason and creates nothing', async () => {
    const reason = new Error('changed my mind')
    const signal = AbortSignal.abort(reason)
    for (const ask of [ACQUIRE, ACQUIRE_ALL, WITH_LOCK])
      expect(await errorOf(false, () => ask(target, { signal }))).toBe(reason)
    expect(readdirSync(folder)).toEqual([])
  })

  test('may have any reason, even none that is an error', async () => {
    await expect(acquire(target, { signal: AbortSignal.abort(0) })).rejects.toBe(0)
  })
})

describe('acquireAll', () => {
  test.each([undefined, null, 'data', 1, {}, new Set(['data'])].map((value) => ({ value, shown: show(value) })))(
    'refuses paths that are $shown',
    async ({ value }) => {
      const error = await errorOf(false, () => acquireAll(value as never))
      expectRefusal(error, TYPE, 'paths', 'an array')
    },
  )

  test('names the place of a bad path', async () => {
    const error = await errorOf(false, () => acquireAll([target, anyPath(1)]))
    expectRefusal(error, TYPE, 'paths[1]', 'a string')
  })

  test('refuses an endless timeout', async () => {
    const error = await errorOf(false, () => acquireAll([target], { timeout: Infinity }))
    expectRefusal(error, RANGE, 'options.timeout', 'finite')
  })
})

describe('withLock', () => {
  test.each([undefined, null, 1, 'section', {}].map((value) => ({ value, shown: show(value) })))(
    'refuses a section that is $shown',
    async ({ value }) => {
      expectRefusal(await errorOf(false, () => withLock(target, {}, value as never)), TYPE, 'section', 'a function')
    },
  )
})

describe('isLockError', () => {
  test('knows the errors of another copy of the package, which are of another class', async () => {
    writeFileSync(`${target}.hold`, '')
    const mine = await acquire(target)
    const theirs: unknown = await copy.acquire(target, { timeout: 0 }).catch((error: unknown) => error)
    expect(theirs).not.toBeInstanceOf(LockError)
    expect(isLockError(theirs)).toBe(true)
    expect(isLockError(theirs, 'ERR_LOCK_TIMEOUT')).toBe(true)
    expect(isLockError(theirs, 'ERR_LOCK_LOST')).toBe(false)
    mine.release()
    const other = copy.tryAcquire(target)
    const ours: unknown = await acquire(target, { timeout: 0 }).catch((error: unknown) => error)
    expect(ours).toBeInstanceOf(LockError)
    expect(copy.isLockError(ours, 'ERR_LOCK_TIMEOUT')).toBe(true)
    other?.release()
  })

  test.each(
    [
      undefined,
      null,
      0,
      'ERR_LOCK_TIMEOUT',
      Symbol('error'),
      new Error('ERR_LOCK_TIMEOUT'),
      { code: 'ERR_LOCK_TIMEOUT' },
      Object.assign(new Error('no'), { name: 'LockError', code: 'ERR_LOCK_TIMEOUT' }),
    ].map((value) => ({ value, shown: show(value) })),
  )('is false for $shown', ({ value }) => {
    expect(isLockError(value)).toBe(false)
    expect(isLockError(value, 'ERR_LOCK_TIMEOUT')).toBe(false)
  })

  test('is false for bad arguments', async () => {
    expect(isLockError(await errorOf(false, () => ACQUIRE(1)))).toBe(false)
  })
})
