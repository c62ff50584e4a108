// The C baseline: built once, then spoken to line by line.
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const SOURCE = join(import.meta.dirname, '..', 'raw.c')

/** Answers the program's path and the compiler's name. Throws where there is no C compiler. */
export function buildRaw(folder) {
  const program = join(folder, 'raw')
  for (const compiler of ['cc', 'gcc', 'clang']) {
    const build = spawnSync(compiler, ['-O2', '-Wall', '-Wextra', '-pthread', '-o', program, SOURCE], {
      encoding: 'utf8',
    })
    if (build.error?.code === 'ENOENT') continue
    if (build.status !== 0) throw new Error(`${compiler} could not build raw.c:\n${build.stderr}`)
    return { program, compiler: spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0] }
  }
  throw new Error('there is no C compiler (cc, gcc, clang), and the baseline is written in C')
}

export class RawProcess {
  #child
  #lines

  constructor(program, ...args) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async ask(line) {
    this.#child.stdin.write(`${line}\n`)
    return this.next()
  }

  async next() {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the C baseline has ended')
    return value
  }

  close() {
    this.#child.stdin.end()
    this.#child.kill()
  }
}
