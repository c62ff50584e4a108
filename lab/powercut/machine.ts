// One start of the guest, up to the cut: QEMU with the disk of nbd.ts, killed by SIGKILL. What the guest has told by then is read
// to its end.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

import type { Filesystem } from './filesystems.js'
import { Reader, type Message } from './messages.js'
import { serve, type Service } from './nbd.js'
import { QEMU } from './requirements.js'

/** MiB: Node, and the guest's first file system twice while that is unpacked. */
const MEMORY = 1024

export interface Start extends Service {
  readonly folder: string
  readonly kernel: string
  readonly world: string
  readonly boot: number
  /** QEMU's name of it. */
  readonly accelerator: string
  readonly filesystem: Filesystem
  readonly tell: (message: Message, content: Buffer) => void
}

export class Machine {
  private readonly qemu: ChildProcess
  private readonly exited: Promise<unknown>
  private readonly servers: readonly Server[]
  private line: Socket | null = null

  private constructor(start: Start, paths: { disk: string; line: string }, servers: { disk: Server; line: Server }) {
    const reader = new Reader(start.tell)
    servers.line.once('connection', (socket: Socket) => {
      this.line = socket
      socket.on('data', (chunk: Buffer) => reader.push(chunk)).on('error', () => {}) // its other end is killed
    })
    this.servers = [servers.disk, servers.line]
    this.qemu = spawn(QEMU, optionsOf(start, paths), { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    this.qemu.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    this.exited = once(this.qemu, 'exit')
    const kill = (): void => void this.qemu.kill('SIGKILL')
    process.once('exit', kill) // a run that is given up leaves nothing behind
    this.qemu.once('exit', (_, signal) => {
      process.off('exit', kill)
      if (signal !== 'SIGKILL')
        start.tell({ kind: 'failed', why: `QEMU has ended: ${said}${endOf(consoleOf(start))}` }, Buffer.alloc(0))
    })
  }

  static async start(start: Start): Promise<Machine> {
    const paths = { disk: join(start.folder, 'disk.socket'), line: join(start.folder, 'line.socket') }
    for (const path of Object.values(paths)) rmSync(path, { force: true })
    const line = createServer()
    line.listen(paths.line)
    const [disk] = await Promise.all([serve(paths.disk, start), once(line, 'listening')])
    return new Machine(start, paths, { disk, line })
  }

  /** Resolves when nothing more can come of it. */
  async kill(): Promise<void> {
    this.qemu.kill('SIGKILL')
    await this.exited
    if (this.line !== null && !this.line.closed) await once(this.line, 'close') // read to its end
    for (const server of this.servers) server.close()
  }
}

function optionsOf(start: Start, paths: { disk: string; line: string }): string[] {
  const { accelerator, kernel, world, boot, filesystem } = start
  const words = [
    // On a busy machine the kernel's test of its timer fails.
    ...['console=ttyS0', 'quiet', 'panic=-1', 'no_timer_check'],
    ...[`hf_filesystem=${filesystem.type}`, `hf_options=${filesystem.options}`, `hf_boot=${boot}`],
  ]
  const disk = `file.driver=nbd,file.server.type=unix,file.server.path=${paths.disk}`
  return [
    ...['-machine', 'q35', '-accel', accelerator, '-cpu', 'max'],
    ...['-m', String(MEMORY), '-smp', '2', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', world, '-append', words.join(' ')],
    ...['-serial', `file:${consoleOf(start)}`],
    // cache=writeback: the guest is told that the disk has a cache, and sends its flushes.
    ...[
      '-drive',
      `if=none,id=disk,format=raw,cache=writeback,${disk}`,
      '-device',
      'virtio-blk-pci,drive=disk,physical_block_size=4096',
    ],
    ...['-chardev', `socket,id=line,path=${paths.line}`],
    ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=line'],
  ]
}

function consoleOf({ folder, filesystem, boot }: Start): string {
  return join(folder, `console-${filesystem.name.replace(/\W/g, '-')}-${boot}.log`)
}

function endOf(log: string): string {
  return readFileSync(log, 'utf8').slice(-800)
}
