// Bugs that a run must find: in a copy of the addon, or in the disk. A set-up that finds none of them finds nothing else either.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { run } from './requirements.js'
import { PRODUCT, type Product } from './world.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Plant {
  readonly name: string
  readonly title: string
  /** Where it shows; on some filesystems others of their habits hide it. */
  readonly filesystem: string
  /** What is said of it. */
  readonly report: RegExp
  /** In the disk: flushes do nothing. */
  readonly lies?: true
  readonly edits?: readonly { readonly file: string; readonly find: string; readonly replace: string }[]
}

const CHANGE = 'native/change.cc'
const LOCK = 'native/lock_posix.cc'
const TRANSCRIPT_LOST = /were acknowledged|are not the same/
const STORE_OLD = /older than what was acknowledged|not whole|cannot be read/

export const PLANTS: readonly Plant[] = [
  {
    name: 'unsynced-append',
    title: 'lines are acknowledged before they are on the device',
    filesystem: 'ext4',
    report: TRANSCRIPT_LOST,
    edits: [{ file: CHANGE, find: '    result = file->Sync();\n', replace: '' }],
  },
  {
    name: 'unsynced-store',
    title: 'a store is put in place before its content is on the device',
    filesystem: 'xfs',
    report: STORE_OLD,
    edits: [
      {
        file: CHANGE,
        find: 'return result.done() && change->synced ? fresh->Sync() : result;',
        replace: 'return result;',
      },
    ],
  },
  {
    name: 'unsynced-folder',
    title: 'an update is acknowledged before the name of the new file is on the device',
    filesystem: 'ext4',
    report: STORE_OLD,
    edits: [
      {
        file: CHANGE,
        find: '  change->undone = false;\n  if (change->synced) result = SyncFolderOf(change->path.c_str());\n',
        replace: '  change->undone = false;\n',
      },
    ],
  },
  {
    name: 'half-line-stays',
    title: 'a half line is said to be cut off, and is not',
    filesystem: 'ext4',
    report: /its last line has no end/,
    edits: [
      {
        file: CHANGE,
        find: 'Result result = file.Cut(change->from);',
        replace: 'Result result = file.State(&change->after);',
      },
    ],
  },
  {
    name: 'stale-lock',
    title: 'a lock file that an earlier start of the machine has left is taken for a held lock',
    filesystem: 'ext4',
    report: /the lock of \S+ was not free/,
    edits: [
      {
        file: LOCK,
        find: 'Result LockFile::TryLock(Mode mode) {\n',
        replace: `Result LockFile::TryLock(Mode mode) {
  struct stat status;
  timespec up;
  clock_gettime(CLOCK_MONOTONIC, &up);
  const bool old = fstat(static_cast<int>(handle_), &status) == 0 && status.st_mtime < time(nullptr) - up.tv_sec - 1;
  if (old) return Result::Of(Outcome::kBusy);
`,
      },
      { file: LOCK, find: '#include <sys/stat.h>\n', replace: '#include <sys/stat.h>\n#include <time.h>\n' },
    ],
  },
  {
    name: 'lying-disk',
    title: 'the disk answers a flush and does nothing',
    filesystem: 'xfs',
    report: /./,
    lies: true,
  },
]

/** The product with that bug in it, built in a folder of its own. */
export function planted({ edits, name }: Plant, folder: string): Product {
  if (edits === undefined) return PRODUCT
  for (const part of ['native', 'scripts', 'binding.gyp', 'package.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, find, replace } of edits) {
    const source = readFileSync(join(folder, file), 'utf8')
    if (source.split(find).length !== 2) throw new Error(`Expected once in ${file}, for "${name}": ${find}`)
    writeFileSync(join(folder, file), source.replace(find, replace))
  }
  run(process.execPath, [join('scripts', 'build-addon.mjs')], folder)
  return { ...PRODUCT, addon: join(folder, 'build', 'Release', 'holdfast.node') }
}
