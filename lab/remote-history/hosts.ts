// Hosts that can be cut off: network namespaces of this machine, each with a cable of its own to where the server is. So all
// of them have one clock, and moments on different hosts can be compared.
import { spawnSync } from 'node:child_process'

export function canMakeHosts(): boolean {
  const name = `holdfast-try-${process.pid}`
  return process.getuid?.() === 0 && ip('netns', 'add', name) && ip('netns', 'del', name)
}

let made = 0

export class Host {
  /** Of the namespace. */
  readonly name = `holdfast-${process.pid}-${++made}`
  /** Of the server, as seen from here. */
  private readonly server: string
  private readonly near = `hf${process.pid % 100_000}a${made}`
  private readonly far = `hf${process.pid % 100_000}b${made}`
  private readonly address: string

  constructor() {
    const network = `10.${200 + (process.pid % 50)}.${made % 250}`
    this.server = `${network}.1`
    this.address = `${network}.2/24`
    for (const command of [
      ['netns', 'add', this.name],
      ['link', 'add', this.near, 'type', 'veth', 'peer', 'name', this.far, 'netns', this.name],
      ['addr', 'add', `${this.server}/24`, 'dev', this.near],
      ['link', 'set', this.near, 'up'],
      [...this.inside, 'addr', 'add', this.address, 'dev', this.far],
      [...this.inside, 'link', 'set', this.far, 'up'],
      [...this.inside, 'link', 'set', 'lo', 'up'],
    ]) {
      if (!ip(...command)) throw new Error(`ip ${command.join(' ')}`)
    }
  }

  urlOf({ url }: { readonly url: string }): string {
    return url.replace('127.0.0.1', this.server)
  }

  /** What a process is started with that shall live here. */
  get launcher(): { execPath: string; execArgv: string[] } {
    return { execPath: 'ip', execArgv: ['netns', 'exec', this.name, process.execPath] }
  }

  /** Its address goes: what the server sends is lost, and so is what it sends. */
  cut(): void {
    ip(...this.inside, 'addr', 'del', this.address, 'dev', this.far)
  }

  heal(): void {
    ip(...this.inside, 'addr', 'add', this.address, 'dev', this.far)
  }

  remove(): void {
    ip('link', 'del', this.near)
    ip('netns', 'del', this.name)
  }

  private get inside(): string[] {
    return ['netns', 'exec', this.name, 'ip']
  }
}

function ip(...args: string[]): boolean {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0
}
