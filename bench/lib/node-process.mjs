// A child Node process that answers messages: ask() sends one and resolves to the answer, or rejects with its error.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export class NodeProcess {
  #child
  #answer

  /** `fixture` is a file of bench/fixtures; it calls serve() from fixtures/serve.mjs. `options` are those of fork(). */
  static async start(fixture, args = [], options = {}) {
    const process = new NodeProcess()
    process.#child = fork(join(import.meta.dirname, '..', 'fixtures', fixture), args.map(String), {
      execArgv: [],
      ...options,
    })
    process.#child.on('message', (message) => process.#answer(message))
    process.#child.on('exit', () => process.#answer?.({ error: `${fixture} has ended` }))
    try {
      await process.#next()
    } catch (error) {
      await process.kill() // it could not begin, and would wait for messages for ever
      throw error
    }
    return process
  }

  ask(action, ...args) {
    const answer = this.#next()
    this.#child.send({ action, args })
    return answer
  }

  /** Resolves when the process is gone and reaped. */
  async kill(signal = 'SIGKILL') {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#answer = () => {}
    this.#child.kill(signal)
    await gone
  }

  get pid() {
    return this.#child.pid
  }

  #next() {
    return new Promise((resolve, reject) => {
      this.#answer = ({ error, value }) => (error === undefined ? resolve(value) : reject(new Error(error)))
    })
  }
}
