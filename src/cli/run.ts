// `holdfast run`: a command under a lock. Whatever ends the hold ends the command first: the lock goes free when the
// command has ended, and not before.
import { acquire, isLockError, type Hold } from '../index.js'
import type { Command } from './command.js'
import { Child } from './run/child.js'
import { descriptorsOf } from './run/descriptors.js'
import { endAs, type Ending } from './run/ending.js'
import { requestOf, split, type RunRequest } from './run/request.js'
import { Signals } from './run/signals.js'
import type { Terminal } from './terminal.js'
import { escaped } from './text.js'

/** Milliseconds between two looks at the lock file: whether it is still there. */
const LOOK = 1000

export const run: Command = {
  name: 'run',
  summary: 'run a command while holding a lock',
  help: `Usage: holdfast run [OPTION…] FILE [--] COMMAND [ARGUMENT…]
       holdfast run [OPTION…] FILE -c LINE

Runs COMMAND while holding the lock of FILE, and exits as it does. The lock file
is FILE.hold; FILE itself is not touched, and need not exist.

  -x, -e, --exclusive       nobody else holds the lock meanwhile (the default)
  -s, --shared              others may hold it as well, shared
  -n, --no-wait             do not wait for others, but exit with 75
  -w, --wait SECONDS        wait so long at most; the default is for ever
  -E, --busy-code CODE      exit with CODE instead of 75
  -q, --quiet               do not say who has the lock
  -c, --command LINE        run a line of the shell: sh, on Windows cmd.exe
      --lockfile            FILE itself is the lock file, as it is for flock(1);
                            it is not written to where it has other content
      --max-hold SECONDS    end the command after so long, by SIGTERM
  -k, --kill-after SECONDS  and by SIGKILL so much later (default: 10)
  -o, --close               do not hand the lock on to the command
  -h, --help                print this text

Options stand before COMMAND. HOLDFAST_FENCE in its environment is a number that
is larger under every later exclusive lock. Signals are passed on to it. It is
ended as well when the lock file is deleted, for then others can have the lock.

The lock goes free when COMMAND has ended. If holdfast itself is killed, COMMAND
and its children keep the lock until they have ended; not so with --close. On
Windows, COMMAND is killed as well.

Exits with the code of COMMAND, or 128 and the number of the signal that killed
it; 126 when it cannot be executed; 127 when it is not found; 75 when others
have the lock; 71 when the system refuses; 64 when the arguments make no sense.
`,
  own: (args) => split(args).own,
  async run(args, terminal) {
    const request = requestOf(args)
    const signals = new Signals()
    const ending = await underLock(request, signals, terminal)
    signals.stop()
    return endAs(ending)
  },
}

async function underLock(request: RunRequest, signals: Signals, terminal: Terminal): Promise<Ending> {
  const hold = await acquired(request, signals, terminal)
  if (!('guard' in hold)) return hold
  try {
    // It may have come after the lock was granted.
    if (signals.first !== null) return { signal: signals.first }
    return await hold.guard(() => commanded(hold, request, signals, terminal))
  } finally {
    hold.release()
  }
}

async function acquired(request: RunRequest, signals: Signals, { err }: Terminal): Promise<Hold | Ending> {
  const { file, lockfile, mode, timeout, maxHold, label, quiet, busyCode } = request
  try {
    return await acquire(file, { lockfile, mode, timeout, maxHold, label, signal: signals.arrived })
  } catch (error) {
    if (signals.first !== null) return { signal: signals.first }
    if (!isLockError(error, 'ERR_LOCK_TIMEOUT')) throw error
    if (!quiet) err.write(`holdfast: ${escaped(error.message)}\n`)
    return { code: busyCode }
  }
}

async function commanded(hold: Hold, request: RunRequest, signals: Signals, { err }: Terminal): Promise<Ending> {
  const { command, close, killAfter } = request
  // An outer one would be that of another lock.
  const env = { ...process.env, HOLDFAST_FENCE: hold.fence?.toString() }
  const child = new Child(command, env, close ? [] : descriptorsOf(hold.lockfile))
  signals.passOn = (signal) => child.tell(signal)
  const { signal } = hold
  const revoke = (): void => {
    const reason: unknown = signal.reason
    err.write(`holdfast: ${escaped(reason instanceof Error ? reason.message : String(reason))}\n`)
    child.end(killAfter)
  }
  // While the command was being started, too.
  if (signal.aborted) revoke()
  else signal.addEventListener('abort', revoke)
  const looking = setInterval(() => look(hold), LOOK)
  const { error, ...ending } = await child.ended
  clearInterval(looking)
  if (error !== undefined) err.write(`holdfast: ${escaped(error)}\n`)
  return { ...ending, revoked: signal.aborted }
}

/** Nobody tells of a lock file that was deleted. What is found ends the hold, and its signal tells. */
function look(hold: Hold): void {
  try {
    hold.assertHeld()
  } catch {
    // Or it could not be looked at, now.
  }
}
