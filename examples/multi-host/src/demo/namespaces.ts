// Hosts as network namespaces, joined by a bridge: each has addresses and connections of its own, and the kernel that keeps
// them does what it would do on another machine. Only root can make them.
import { spawnSync } from 'node:child_process'

import type { Place } from './database.js'
import type { Host, Network } from './network.js'

export class Namespaces implements Network, Place {
  readonly what = 'hosts are network namespaces on a bridge'
  /** Of this machine on the bridge. */
  readonly address: string
  readonly range: string
  private readonly prefix: string
  private readonly bridge: string
  private readonly hosts: { readonly namespace: string; readonly near: string }[] = []

  private constructor() {
    this.prefix = `10.${200 + (process.pid % 50)}.${Math.floor(process.pid / 50) % 250}`
    this.address = `${this.prefix}.1`
    this.range = `${this.prefix}.0/24`
    this.bridge = `hf${process.pid}`
  }

  /** Or why there are none. */
  static make(): Namespaces | string {
    if (process.getuid?.() !== 0) return 'only root can make network namespaces'
    const network = new Namespaces()
    process.once('exit', () => network.end())
    try {
      ip('link', 'add', network.bridge, 'type', 'bridge')
      ip('addr', 'add', `${network.address}/24`, 'dev', network.bridge)
      ip('link', 'set', network.bridge, 'up')
      network.add('probe')
      return network
    } catch (error) {
      network.end()
      return `network namespaces cannot be made: ${String(error)}`
    }
  }

  host(name: string, database: string): Promise<Host> {
    const { namespace, device, address } = this.add(name)
    const inside = ['netns', 'exec', namespace]
    return Promise.resolve({
      name,
      url: database.replace('127.0.0.1', this.address),
      prefix: ['ip', ...inside],
      // Its address goes, and not its cable: what the server sends must be sent in vain, and not fail to be sent.
      cut: () => ip(...inside, 'ip', 'addr', 'del', address, 'dev', device),
      heal: () => ip(...inside, 'ip', 'addr', 'add', address, 'dev', device),
    })
  }

  end(): void {
    for (const { namespace, near } of this.hosts.splice(0)) {
      tryIp('link', 'del', near) // a namespace stays for as long as a connection in it that cannot be ended
      tryIp('netns', 'del', namespace)
    }
    tryIp('link', 'del', this.bridge)
  }

  private add(name: string): { namespace: string; device: string; address: string } {
    const number = this.hosts.length
    const namespace = `holdfast-${process.pid}-${name}`
    const [near, device] = [`${this.bridge}n${number}`, `${this.bridge}h${number}`]
    const address = `${this.prefix}.${10 + number}/24`
    ip('netns', 'add', namespace)
    this.hosts.push({ namespace, near })
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', device, 'netns', namespace)
    ip('link', 'set', near, 'master', this.bridge, 'up')
    ip('netns', 'exec', namespace, 'ip', 'addr', 'add', address, 'dev', device)
    ip('netns', 'exec', namespace, 'ip', 'link', 'set', device, 'up')
    ip('netns', 'exec', namespace, 'ip', 'link', 'set', 'lo', 'up')
    return { namespace, device, address }
  }
}

function ip(...args: string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

function tryIp(...args: string[]): void {
  spawnSync('ip', args, { stdio: 'ignore' })
}
