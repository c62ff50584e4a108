// Runs other programs for the tests of the package.
import { spawnSync } from 'node:child_process'

const LONGEST_RUN = 3 * 60_000

/** What a command prints, as { stdout, output }. Throws with it when the command fails, or takes too long. */
export function run(command, args, options = {}) {
  const { status, stdout, output, error } = tryRun(command, args, options)
  if (status === 0) return { stdout, output }
  throw new Error(`${[command, ...args].join(' ')} ended with ${error?.code ?? status}\n${output}`)
}

/** The same without a judgement. Which registry a machine uses is nobody's business: its host stays out. */
export function tryRun(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: LONGEST_RUN,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  // Without a program there is no output either.
  const [out, all] = [stdout ?? '', `${stdout ?? ''}${stderr ?? ''}`]
  return { status, stdout: withoutHosts(out), output: withoutHosts(all), error }
}

/** One setting of npm as it is, hosts and all: to be handed on to other programs, never to be printed. */
export function npmSetting(name) {
  const value = spawnSync('npm', ['config', 'get', name], { encoding: 'utf8' }).stdout.trim()
  return value === '' || value === 'null' || value === 'undefined' ? undefined : value
}

function withoutHosts(text) {
  return text.replace(/https?:\/\/[^/\s]+/g, '<registry>')
}
