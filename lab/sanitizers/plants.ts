// Bugs that a sanitizer must find, each put into a copy of the sources: a set-up that finds none of them finds nothing else
// either.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Plant {
  readonly title: string
  readonly sanitizer: 'address' | 'thread'
  readonly file: string
  readonly find: string
  readonly replace: string
  /** What the report says, besides the addon's name. */
  readonly report: RegExp
}

export const PLANTS: readonly Plant[] = [
  {
    title: 'a lease is read after it was freed',
    sanitizer: 'address',
    file: 'lease.cc',
    find: '    Stamp(&lease->file, ending);\n    lease->file.Unlock();\n  }\n  DeleteLease(lease);\n',
    replace:
      '    Stamp(&lease->file, ending);\n    lease->file.Unlock();\n  }\n  DeleteLease(lease);\n  environment->last_failure = lease->failure;\n',
    report: /heap-use-after-free/,
  },
  {
    title: 'a number is counted past its type',
    sanitizer: 'address',
    file: 'registry.cc',
    find: 'uint64_t NextId() { return ++last_id; }',
    replace:
      'uint64_t NextId() {\n  static int32_t count = INT32_MAX - 8;\n  count += 1;\n  return ++last_id + (count == 0 ? 1 : 0);\n}',
    report: /runtime error: signed integer overflow/,
  },
  {
    title: 'a lease that has ended is not freed',
    sanitizer: 'address',
    file: 'lease.cc',
    find: '  if (lease->distant != nullptr) Delete(lease->distant);\n  Delete(lease);\n',
    replace: '  if (lease->distant != nullptr) Delete(lease->distant);\n  lease->file.Close();\n',
    report: /LeakSanitizer: detected memory leaks/,
  },
  {
    title: 'a thread is counted out without the mutex of the registry',
    sanitizer: 'thread',
    file: 'lease.cc',
    find: '  {\n    MutexGuard guard(registry);\n    UncountThread();\n    if (lease->state',
    replace: '  UncountThread();\n  {\n    MutexGuard guard(registry);\n    if (lease->state',
    report: /WARNING: ThreadSanitizer: data race/,
  },
]

/** Answers how to take it out again. */
export function plant({ file, find, replace }: Plant, native: string): () => void {
  const path = join(native, file)
  const source = readFileSync(path, 'utf8')
  if (source.split(find).length !== 2) throw new Error(`${file} has changed: there is no single place for the bug`)
  writeFileSync(path, source.replace(find, replace))
  return () => writeFileSync(path, source)
}
