// Why no addon was loaded: every place that was tried, and what a user can do about it.
import { LockError } from '../errors.js'

/** Builds the addon in the package's folder. The tests of the package run it. */
const BUILD = 'npm install --prefix native --no-save node-addon-api && npx --yes node-gyp rebuild --directory native'

export class AddonFailures {
  private readonly lines: string[] = []
  private first: unknown

  add(place: string, error: unknown): void {
    this.first ??= error
    this.lines.push(`  ${place}: ${summary(error, place)}`)
  }

  error(root: string): LockError {
    const message = [
      `holdfast has no native addon that loads on ${thisPlatform()}. Tried:`,
      ...this.lines,
      `To build it, with Python 3, make and a C++ compiler, run in ${root}: ${BUILD}`,
    ]
    return new LockError('ERR_LOCK_ADDON', message, { cause: this.first })
  }
}

/** What the loader says, on one line and without the place, which stands before it. */
function summary(error: unknown, place: string): string {
  return (error instanceof Error ? error.message : String(error))
    .replace(/\nRequire stack:[^]*/, '')
    .replaceAll(`${place}: `, '')
    .replace(`, scandir '${place}'`, '')
    .trim()
    .replace(/\s*\n\s*/g, ', ')
}

function thisPlatform(): string {
  const libc = process.platform === 'linux' ? thisLibc() : ''
  return `${process.platform}-${process.arch}${libc} (Node ${process.version})`
}

/** From Node's report. Of it, only the names of the hosts that sockets are connected to take long. */
function thisLibc(): string {
  const report: { excludeNetwork?: boolean; getReport(): unknown } = process.report
  const { excludeNetwork = false } = report
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header: object }
    return 'glibcVersionRuntime' in header ? '-glibc' : '-musl'
  } catch {
    return '' // Deno makes a report only with --allow-sys
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}
