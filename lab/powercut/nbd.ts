// A disk for one client at a time, by the network block device's protocol (newstyle, simple replies) on a Unix socket.
// Once the disk has no power, nothing is answered any more.
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import { SECTOR, type Disk } from './disk.js'

const GREETING = Buffer.from('NBDMAGICIHAVEOPT\0\x03', 'latin1') // fixed newstyle; no padding
const OPTION_REPLY = 0x3e889045565a9n
const REQUEST = 0x25609513
const REPLY = 0x67446698

const OPTION = { exportName: 1, abort: 2, info: 6, go: 7 } as const
const ANSWER = { done: 1, info: 3, unsupported: 0x80000001 } as const
const INFO = { export: 0, blockSize: 3 } as const
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 } as const
const HAS_FLAGS_FLUSH_FUA = 1 | 4 | 8
const FUA = 1
const EINVAL = 22
/** As much as the protocol has clients expect. */
const LARGEST = 32 * 1024 * 1024

export type Command = 'read' | 'write' | 'flush'

export interface Service {
  readonly disk: Disk
  /** Milliseconds that a flush takes. */
  readonly flushTime: number
  /** Called before a command is done: the power may be cut here. */
  readonly heard: (command: Command) => void
}

export function serve(path: string, service: Service): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy()) // a client that was killed
    // A client that goes away in the middle of something ends its own conversation, and no other.
    converse(socket, service).catch(() => {}).finally(() => socket.destroy()) // prettier-ignore
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

async function converse(socket: Socket, service: Service): Promise<void> {
  const inbox = new Inbox(socket)
  socket.write(GREETING)
  await inbox.take(4) // the client's flags
  if (!(await negotiate(socket, inbox, service.disk.size))) return
  while (service.disk.on) {
    const header = await inbox.take(28)
    if (header.readUInt32BE(0) !== REQUEST) throw new Error('Expected a request')
    const type = header.readUInt16BE(6)
    if (type === COMMAND.disconnect) return
    const request: Request = {
      type,
      pastCache: (header.readUInt16BE(4) & FUA) !== 0,
      handle: header.subarray(8, 16),
      offset: Number(header.readBigUInt64BE(16)),
      length: header.readUInt32BE(24),
    }
    const bytes = type === COMMAND.write ? await inbox.take(request.length) : Buffer.alloc(0)
    if (!perform(socket, service, request, bytes)) return
  }
}

interface Request {
  readonly type: number
  readonly pastCache: boolean
  readonly handle: Buffer
  readonly offset: number
  readonly length: number
}

/** False where the power has been cut. */
function perform(socket: Socket, service: Service, request: Request, bytes: Buffer): boolean {
  const { disk, heard, flushTime } = service
  const { type, offset, length, handle } = request
  const whole = offset % SECTOR === 0 && length % SECTOR === 0 && offset + length <= disk.size
  if (type === COMMAND.flush) {
    const covered = disk.flushing()
    heard('flush')
    if (!disk.on) return false
    void delay(flushTime).then(() => {
      disk.flushed(covered)
      if (disk.on) reply(socket, handle)
    })
    return true
  }
  if (!whole || (type !== COMMAND.read && type !== COMMAND.write)) {
    reply(socket, handle, EINVAL)
    return true
  }
  const writes = type === COMMAND.write
  // It is in the cache before the power can go, so that a part of it may be on the disk although nobody was told.
  if (writes) disk.write(offset, bytes, request.pastCache)
  heard(writes ? 'write' : 'read')
  if (!disk.on) return false
  reply(socket, handle)
  if (!writes) socket.write(disk.read(offset, length))
  return true
}

function reply(socket: Socket, handle: Buffer, error = 0): void {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(REPLY, 0)
  header.writeUInt32BE(error, 4)
  socket.write(Buffer.concat([header, handle]))
}

/** False where the client wants nothing more. */
async function negotiate(socket: Socket, inbox: Inbox, size: number): Promise<boolean> {
  const exported = Buffer.alloc(10)
  exported.writeBigUInt64BE(BigInt(size), 0)
  exported.writeUInt16BE(HAS_FLAGS_FLUSH_FUA, 8)
  for (;;) {
    const header = await inbox.take(16)
    const option = header.readUInt32BE(8)
    await inbox.take(header.readUInt32BE(12)) // there is one disk, whatever it is called
    const answer = (type: number, data = Buffer.alloc(0)): void => {
      const head = Buffer.alloc(20)
      head.writeBigUInt64BE(OPTION_REPLY, 0)
      head.writeUInt32BE(option, 8)
      head.writeUInt32BE(type, 12)
      head.writeUInt32BE(data.length, 16)
      socket.write(Buffer.concat([head, data]))
    }
    switch (option) {
      case OPTION.exportName:
        socket.write(exported)
        return true
      case OPTION.info:
      case OPTION.go: {
        answer(ANSWER.info, Buffer.concat([Buffer.from([0, INFO.export]), exported]))
        const blocks = Buffer.alloc(14)
        blocks.writeUInt16BE(INFO.blockSize, 0)
        blocks.writeUInt32BE(SECTOR, 2)
        blocks.writeUInt32BE(4096, 6)
        blocks.writeUInt32BE(LARGEST, 10)
        answer(ANSWER.info, blocks)
        answer(ANSWER.done)
        if (option === OPTION.go) return true
        break
      }
      case OPTION.abort:
        answer(ANSWER.done)
        return false
      default:
        answer(ANSWER.unsupported)
    }
  }
}

/** What came through a socket, in pieces of the size that is asked for. */
class Inbox {
  private chunks: Buffer[] = []
  private length = 0
  private ended = false
  private wake: () => void = () => {}

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk)
      this.length += chunk.length
      this.wake()
    })
    socket.on('close', () => {
      this.ended = true
      this.wake()
    })
  }

  /** Throws where the socket has ended before. */
  async take(size: number): Promise<Buffer> {
    while (this.length < size) {
      if (this.ended) throw new Error('The client has gone')
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    const all = Buffer.concat(this.chunks)
    this.chunks = [all.subarray(size)]
    this.length = all.length - size
    return all.subarray(0, size)
  }
}
