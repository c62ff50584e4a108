// Another host, as far as the network goes: a network namespace with a cable to this one, which can be cut.
import { spawnSync } from 'node:child_process'

export class Host {
  /** By which it reaches this one. */
  address
  #name = `holdfast-bench-${process.pid}`
  #near = `hfbn${process.pid % 1_000_000}`
  #far = `hfbf${process.pid % 1_000_000}`
  #farAddress

  /** Throws what a table shows where there is no right to make one. */
  constructor() {
    const network = `10.${150 + (process.pid % 50)}.7`
    this.address = `${network}.1`
    this.#farAddress = `${network}.2/24`
    const commands = [
      ['netns', 'add', this.#name],
      ['link', 'add', this.#near, 'type', 'veth', 'peer', 'name', this.#far, 'netns', this.#name],
      ['addr', 'add', `${this.address}/24`, 'dev', this.#near],
      ['link', 'set', this.#near, 'up'],
      ['-n', this.#name, 'addr', 'add', this.#farAddress, 'dev', this.#far],
      ['-n', this.#name, 'link', 'set', this.#far, 'up'],
      ['-n', this.#name, 'link', 'set', 'lo', 'up'],
    ]
    if (commands.every((command) => ip(...command))) return
    this.remove()
    throw new Error('no right to make network namespaces')
  }

  /** What runs a program there, for fork(). */
  get forkOptions() {
    return { execPath: 'ip', execArgv: ['netns', 'exec', this.#name, process.execPath] }
  }

  /** Its address goes: what is sent to it is lost, and so is what it sends. */
  cut() {
    if (!ip('-n', this.#name, 'addr', 'del', this.#farAddress, 'dev', this.#far)) throw new Error('not cut')
  }

  remove() {
    ip('link', 'del', this.#near)
    ip('netns', 'del', this.#name)
  }
}

function ip(...args) {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0
}
