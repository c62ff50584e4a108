// The lab's power cuts without a guest: the disk that loses what was not flushed, its protocol, and the checker on files that
// each have one thing wrong. `npm run lab:powercut` cuts off a real one.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test } from 'vitest'

import { Random } from '../../lab/history/random.js'
import { BLOCK, Disk, SECTOR, SURVIVALS, type Survival } from '../../lab/powercut/disk.js'
import { Ledger, Sighting } from '../../lab/powercut/ledger.js'
import { Reader, type Message, type Stage } from '../../lab/powercut/messages.js'
import { serve, type Command } from '../../lab/powercut/nbd.js'
import { countAt, nameOf, STORE, storedOf, TRANSCRIPT, valueOf, type Lane } from '../../lab/powercut/workload.js'
import { missing, posix, type Capability } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const RUN = fileURLToPath(new URL('../../lab/dist/powercut/run.js', import.meta.url))
const compiled: Capability = { name: 'the compiled lab (npm run compile:lab)', there: existsSync(RUN) }

const SIZE = 64 * BLOCK
const NOTHING: Survival = { title: 'nothing', write: 0, block: 0 }
const EVERYTHING: Survival = { title: 'everything', write: 1, block: 1 }

interface Placed {
  readonly disk: Disk
  /** What is on the disk when it gets its power back. */
  readonly image: () => Buffer
}

function newDisk(lies = false): Placed {
  const path = join(scratch(), 'image')
  const file = openSync(path, 'w+')
  onTestFinished(() => closeSync(file))
  ftruncateSync(file, SIZE)
  return { disk: new Disk(file, SIZE, lies), image: () => readFileSync(path) }
}

const filled = (byte: number, size = BLOCK): Buffer => Buffer.alloc(size, byte)
const byteOf = (image: Buffer, block: number): number => image[block * BLOCK] ?? -1

describe('the disk', () => {
  test('reads what was written, flushed or not', () => {
    const { disk } = newDisk()
    disk.write(0, filled(1))
    disk.flushed(disk.flushing())
    disk.write(SECTOR, filled(2, SECTOR))
    const expected = filled(1)
    expected.fill(2, SECTOR, 2 * SECTOR)
    expect(disk.read(0, BLOCK)).toEqual(expected)
  })

  test('keeps what a flush has covered, and nothing of what came after its begin', () => {
    const { disk, image } = newDisk()
    disk.write(0, filled(1))
    const covered = disk.flushing()
    disk.write(BLOCK, filled(2))
    disk.write(0, filled(3))
    disk.flushed(covered)
    expect(disk.read(0, BLOCK)).toEqual(filled(3))
    expect(disk.cut(NOTHING, new Random(1))).toEqual({ cached: 2, lost: 2 })
    expect([byteOf(image(), 0), byteOf(image(), 1)]).toEqual([1, 0])
  })

  test('keeps a write that went past the cache, also against an older one in it', () => {
    const { disk, image } = newDisk()
    disk.write(0, filled(1))
    disk.write(0, filled(2, SECTOR), true)
    expect(disk.read(0, SECTOR)).toEqual(filled(2, SECTOR))
    disk.cut(EVERYTHING, new Random(1))
    expect(image().subarray(0, BLOCK)).toEqual(Buffer.concat([filled(2, SECTOR), filled(1, BLOCK - SECTOR)]))
  })

  test('loses any of what was not flushed, whatever the order, and never a part of a block', () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 60; seed++) {
      const { disk, image } = newDisk()
      disk.write(0, filled(1))
      disk.write(BLOCK, filled(2, 2 * BLOCK))
      disk.cut(SURVIVALS[seed % SURVIVALS.length] ?? NOTHING, new Random(seed))
      const after = image()
      for (let block = 0; block < 3; block++) {
        expect(new Set(after.subarray(block * BLOCK, (block + 1) * BLOCK)).size).toBe(1)
      }
      seen.add([0, 1, 2].map((block) => byteOf(after, block)).join(''))
    }
    // Each of the eight that there can be.
    expect([...seen].sort()).toEqual(['000', '002', '020', '022', '100', '102', '120', '122'])
  })

  test('that lies about its flushes has flushed nothing', () => {
    const { disk, image } = newDisk(true)
    disk.write(0, filled(1))
    disk.write(BLOCK, filled(2), true)
    disk.flushed(disk.flushing())
    disk.cut(NOTHING, new Random(1))
    expect([byteOf(image(), 0), byteOf(image(), 1)]).toEqual([0, 0])
  })
})

/** A client of the protocol, as small as can be. */
class Client {
  readonly socket: Socket
  private bytes: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => (this.bytes = Buffer.concat([this.bytes, chunk])))
  }

  static async connected(path: string): Promise<Client> {
    const socket = connect(path)
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    const client = new Client(socket)
    expect((await client.take(18)).subarray(0, 16).toString('latin1')).toBe('NBDMAGICIHAVEOPT')
    socket.write(Buffer.from([0, 0, 0, 3]))
    return client
  }

  option(number: number): void {
    const header = Buffer.alloc(16)
    header.write('IHAVEOPT', 'latin1')
    header.writeUInt32BE(number, 8)
    this.socket.write(header)
  }

  /** Its type and data. */
  async answer(): Promise<{ type: number; data: Buffer }> {
    const header = await this.take(20)
    return { type: header.readUInt32BE(12), data: await this.take(header.readUInt32BE(16)) }
  }

  send(type: number, handle: number, offset = 0, size = 0, bytes: Buffer = Buffer.alloc(0), flags = 0): void {
    const header = Buffer.alloc(28)
    header.writeUInt32BE(0x25609513, 0)
    header.writeUInt16BE(flags, 4)
    header.writeUInt16BE(type, 6)
    header.writeBigUInt64BE(BigInt(handle), 8)
    header.writeBigUInt64BE(BigInt(offset), 16)
    header.writeUInt32BE(size, 24)
    this.socket.write(Buffer.concat([header, bytes]))
  }

  /** Its handle and error. */
  async reply(): Promise<[number, number]> {
    const header = await this.take(16)
    expect(header.readUInt32BE(0)).toBe(0x67446698)
    return [Number(header.readBigUInt64BE(8)), header.readUInt32BE(4)]
  }

  async take(size: number): Promise<Buffer> {
    while (this.bytes.length < size) {
      const [ended] = await Promise.race([once(this.socket, 'data'), once(this.socket, 'close').then(() => [null])])
      if (ended === null) throw new Error('the server has ended the conversation')
    }
    const taken = this.bytes.subarray(0, size)
    this.bytes = this.bytes.subarray(size)
    return taken
  }
}

async function served(disk: Disk, heard: (command: Command) => void = () => {}): Promise<Client> {
  const path = join(scratch(), 'socket')
  const server = await serve(path, { disk, flushTime: 0, heard })
  onTestFinished(() => void server.close())
  return Client.connected(path)
}

async function opened(disk: Disk, heard?: (command: Command) => void): Promise<Client> {
  const client = await served(disk, heard)
  client.option(7)
  for (let type = 0; type !== 1;) type = (await client.answer()).type
  return client
}

const [READ, WRITE, FLUSH] = [0, 1, 3]

describe.skipIf(missing(posix))('the protocol', () => {
  test('offers one disk with a cache, and refuses what it does not know', async () => {
    const client = await served(newDisk().disk)
    client.option(8) // structured replies
    expect(await client.answer()).toMatchObject({ type: 0x80000001 })
    client.option(7)
    const { type, data } = await client.answer()
    expect({ type, size: data.readBigUInt64BE(2), flags: data.readUInt16BE(10) }).toEqual({
      type: 3,
      size: BigInt(SIZE),
      flags: 1 | 4 | 8, // flags are there, flush, FUA
    })
  })

  test('writes, flushes and reads', async () => {
    const { disk, image } = newDisk()
    const client = await opened(disk)
    client.send(WRITE, 1, BLOCK, BLOCK, filled(7))
    expect(await client.reply()).toEqual([1, 0])
    expect(byteOf(image(), 1)).toBe(0)
    client.send(READ, 2, BLOCK, SECTOR)
    expect(await client.reply()).toEqual([2, 0])
    expect(await client.take(SECTOR)).toEqual(filled(7, SECTOR))
    client.send(FLUSH, 3)
    expect(await client.reply()).toEqual([3, 0])
    expect(byteOf(image(), 1)).toBe(7)
    client.send(WRITE, 4, 0, SECTOR, filled(8, SECTOR), 1)
    expect(await client.reply()).toEqual([4, 0])
    expect(byteOf(image(), 0)).toBe(8)
    client.send(READ, 5, SIZE, SECTOR)
    expect(await client.reply()).toEqual([5, 22])
  })

  test('answers nothing any more once the power has gone, in the middle of a flush as well', async () => {
    const { disk, image } = newDisk()
    const client = await opened(disk, (command) => {
      if (command === 'flush') disk.cut(NOTHING, new Random(1))
    })
    client.send(WRITE, 1, 0, BLOCK, filled(7))
    expect(await client.reply()).toEqual([1, 0])
    client.send(FLUSH, 2)
    await expect(client.reply()).rejects.toThrow('has ended')
    expect(byteOf(image(), 0)).toBe(0)
  })
})

test('messages of the guest come whole, however they are cut in pieces, and half a last one is none', () => {
  const told: [Message, string][] = []
  const reader = new Reader((message, content) => told.push([message, content.toString()]))
  const file: Message = { kind: 'file', stage: 'found', name: 'a', size: 6 }
  const text = `${JSON.stringify(file)}\n{"x"}\n${JSON.stringify({ kind: 'ready' })}\n{"kind":"fai`
  for (const character of text) reader.push(Buffer.from(character))
  expect(told).toEqual([
    [file, '{"x"}\n'],
    [{ kind: 'ready' }, ''],
  ])
})

const NUMBERS: Lane = { boot: 1, process: 0, index: 0 }
const OBJECTS: Lane = { boot: 1, process: 0, index: 1 }
const UPDATES: Lane = { boot: 1, process: 0, index: 3 }

function lines(lane: Lane, first: number, last: number): string {
  let text = ''
  for (let number = first; number <= last; number++) text += `${JSON.stringify(valueOf(lane, number))}\n`
  return text
}

const store = (count: number): string =>
  `${JSON.stringify(storedOf(count === 0 ? {} : { [nameOf(UPDATES)]: count }))}\n`

interface Seen {
  readonly transcript: string
  readonly repaired?: string
  readonly store?: string
  readonly aside?: string
  readonly free?: boolean
}

function sighting({ transcript, repaired = transcript, store: stored = store(5), aside, free = true }: Seen): Sighting {
  const seen = new Sighting()
  const add = (stage: Stage, name: string, text: string): void => seen.add(stage, name, Buffer.from(text))
  add('found', TRANSCRIPT, transcript)
  add('repaired', TRANSCRIPT, repaired)
  for (const stage of ['found', 'repaired'] as const) add(stage, STORE, stored)
  if (aside !== undefined) add('repaired', `${TRANSCRIPT}.torn-1`, aside)
  seen.locks.push({ name: TRANSCRIPT, free })
  return seen
}

/** After 3 lines of objects, 2 numbers and 5 updates were acknowledged. */
function judged(seen: Seen): readonly string[] {
  const ledger = new Ledger()
  ledger.acknowledge({ kind: 'acknowledged', lane: nameOf(OBJECTS), number: 3 })
  ledger.acknowledge({ kind: 'acknowledged', lane: nameOf(NUMBERS), number: 2 })
  ledger.acknowledge({ kind: 'acknowledged', lane: nameOf(UPDATES), number: 5 })
  return ledger.judge(sighting(seen)).violations
}

const ALL = lines(OBJECTS, 1, 3) + lines(NUMBERS, 1, 2)
/** Of the line that would come next. */
const HALF = lines(OBJECTS, 4, 4).slice(0, 9)

describe('the checker passes', () => {
  test('what was acknowledged', () => {
    expect(judged({ transcript: ALL })).toEqual([])
  })

  test('what was on its way besides, and a half line that was moved', () => {
    const more = lines(OBJECTS, 4, 3 + countAt(OBJECTS, 4))
    expect(judged({ transcript: ALL + more + HALF, repaired: ALL + more, aside: HALF, store: store(6) })).toEqual([])
  })

  test('damage that nobody was promised anything of', () => {
    expect(judged({ transcript: `${ALL}{"lane":"1.0\0\0\0\n` })).toEqual([])
  })
})

describe('the checker finds', () => {
  const cases: [string, Seen, RegExp][] = [
    ['a lost line', { transcript: lines(OBJECTS, 1, 2) + lines(NUMBERS, 1, 2) }, /has 2 lines; 3 were acknowledged/],
    ['a file that is not there', { transcript: '' }, /has 0 lines; 3 were acknowledged/],
    [
      'a line in the middle that is not there',
      { transcript: ALL.replace(lines(OBJECTS, 2, 2), '') },
      /goes on with 3, not 2/,
    ],
    ['a line that is there twice', { transcript: ALL + lines(NUMBERS, 2, 2) }, /goes on with 2, not 3/],
    [
      'half a number that is read as one',
      { transcript: `${ALL}${lines(NUMBERS, 3, 3).slice(0, 5)}\n` },
      /nobody wrote/,
    ],
    ['half a line that an acknowledged one is glued to', { transcript: HALF + ALL }, /goes on with 2, not 1/],
    ['half a line that is left', { transcript: ALL + HALF, aside: HALF }, /its last line has no end/],
    ['half a line that is thrown away', { transcript: ALL + HALF, repaired: ALL }, /are nowhere/],
    [
      'half a line that was made one of its own',
      { transcript: ALL + HALF, repaired: `${ALL}${HALF}\n`, aside: HALF },
      /made a damaged one/,
    ],
    ['more than anybody has written', { transcript: ALL + lines(NUMBERS, 3, 400) }, /cannot have written more/],
    ['a store that is too old', { transcript: ALL, store: store(4) }, /older than what was acknowledged/],
    ['a store of the future', { transcript: ALL, store: store(7) }, /is at 7, after 5/],
    ['half a store', { transcript: ALL, store: store(5).slice(0, 20) }, /not whole/],
    ['a store that is empty', { transcript: ALL, store: '' }, /not whole/],
    ['a store of two halves', { transcript: ALL, store: store(5).replace(':5}', ':6}') }, /not whole/],
    ['a lock that is not free', { transcript: ALL, free: false }, /lock of .* was not free/],
  ]
  test.each(cases)('%s', (_, seen, what) => {
    expect(judged(seen).join('\n')).toMatch(what)
  })

  test('that a file has lost, after the next cut, what it had after the last one', () => {
    const ledger = new Ledger()
    expect(ledger.judge(sighting({ transcript: lines(NUMBERS, 1, 1), store: store(0) })).violations).toEqual([])
    expect(ledger.judge(sighting({ transcript: '', store: store(0) })).violations.join('\n')).toMatch(
      /are not the same/,
    )
  })
})

test.skipIf(missing(compiled))('where something is missing it says what, and which package has it', () => {
  const { status, stdout } = spawnSync(process.execPath, [RUN, '--kernel', scratch()], { encoding: 'utf8' })
  expect({ status, says: stdout.includes('a Linux kernel with its modules') }).toEqual({ status: 2, says: true })
})
