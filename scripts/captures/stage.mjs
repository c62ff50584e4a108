// A folder with a shell in which `holdfast` is a command, and what was typed and printed there.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')
/** In the place of the folder, and of the host. */
const FOLDER = '/srv/app'
const HOST = 'web1'
/** The first PID that is shown; the next one is larger by as much as seems likely. */
const PIDS = [4120, 7]

export class Stage {
  text = ''
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-captures-')))
  #home = join(this.folder, 'app')
  #env = { ...process.env, PATH: `${join(this.folder, 'bin')}:${process.env.PATH}`, NO_COLOR: '1', LC_ALL: 'C.UTF-8' }
  #started = []
  #pids = new Map()
  #masks = [
    [this.#home, FOLDER],
    [new RegExp(`\\b${hostname()}\\b`, 'g'), HOST],
    [/\b\d{16}\b/g, '1795234363754016'],
    [/\bHeld [\d.]+ m?s\b/g, 'Held 2.1 s'],
    [/\bafter \d+ ms\b/g, (text) => `after ${Math.round(parseInt(text.slice(6)) / 100) * 100} ms`],
    [/\bpid (\d+)/gi, (text, pid) => text.replace(pid, this.#pid(pid))],
  ]

  constructor() {
    mkdirSync(this.#home)
    mkdirSync(join(this.folder, 'bin'))
    const program = join(this.folder, 'bin', 'holdfast')
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${PROGRAM}" "$@"\n`)
    chmodSync(program, 0o755)
  }

  /** What differs from run to run, as a text or a pattern, and what is shown instead. */
  mask(pattern, replacement) {
    this.#masks.push([pattern, replacement])
  }

  /** Types a line, and waits for what it prints. */
  show(line) {
    const { stdout } = this.#shell(line)
    this.text += this.#masked(`$ ${line}\n${stdout}`)
  }

  /** The same without showing it. */
  do(line) {
    this.#shell(line)
  }

  /** Shows a line that runs beside the next ones; resolves when it has printed a line. */
  async start(line) {
    this.text += this.#masked(`$ ${line} &\n`)
    await this.startHidden(line)
  }

  async startHidden(line) {
    const child = spawn('bash', ['-c', line], {
      ...this.#options(),
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#started.push(child)
    await once(child.stdout, 'data')
    return child
  }

  async clear() {
    for (const child of this.#started) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      process.kill(-child.pid, 'SIGKILL')
      await gone
    }
    rmSync(this.folder, { recursive: true })
  }

  #shell(line) {
    return spawnSync('bash', ['-c', `exec 2>&1; ${line}`], { ...this.#options(), encoding: 'utf8' })
  }

  #options() {
    return { cwd: this.#home, env: this.#env }
  }

  #masked(text) {
    return this.#masks.reduce((masked, [pattern, replacement]) => masked.replaceAll(pattern, replacement), text)
  }

  #pid(pid) {
    if (!this.#pids.has(pid)) this.#pids.set(pid, PIDS[0] + this.#pids.size * PIDS[1])
    return this.#pids.get(pid)
  }
}
