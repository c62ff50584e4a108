// What `holdfast` exits with, from sysexits.h and the shells where those have a number for it. docs/cli.md lists them.
export const EXIT = {
  ok: 0,
  /** What was asked for is so: something is not well (doctor), a threshold was crossed (ps), not all went (clean). */
  failed: 1,
  /** EX_USAGE: the arguments. */
  usage: 64,
  /** EX_SOFTWARE: a mistake of this program. */
  internal: 70,
  /** EX_OSERR: the system refused a lock, a file, a process. */
  system: 71,
  /** EX_TEMPFAIL: somebody else has the lock, and the wait ran out or was refused. Try again later. */
  busy: 75,
  /** As shells do: the command was found and cannot be executed. */
  notExecutable: 126,
  notFound: 127,
  /** Added to the number of the signal that ended the command. */
  signal: 128,
} as const
