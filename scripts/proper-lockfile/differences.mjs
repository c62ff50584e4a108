// The cases of proper-lockfile's own tests that must fail here, and why: by `<file>: <title>`.

const STAYS = 'the lock file stays where it is: deleting one that somebody has open would split the lock in two'
const AGE = 'no age makes a lock stale: the kernel knows whether its holder lives, and a folder in its place is refused'
const UNTOUCHED = 'nothing has to be touched while a lock is held'
const KERNEL = 'it is the kernel that locks: of a custom fs only realpath() is used'

export const DIFFERENCES = {
  ...because(STAYS, {
    'misc.test.js': ['should remove open locks if the process crashes'],
    'release.test.js': ['should remove the lockfile'],
    'sync.test.js': [
      '.lockSync() should expose a working lockSync',
      '.unlockSync() should expose a working unlockSync',
    ],
    'unlock.test.js': ['should remove the lockfile', 'should resolve symlinks by default'],
  }),
  ...because(AGE, {
    'check.test.js': [
      'should fail if stating the lockfile errors out when verifying staleness',
      'should set stale to a minimum of 2000',
      'should set stale to a minimum of 2000 (falsy)',
    ],
    'lock.test.js': [
      'should remove and acquire over stale locks',
      'should retry if the lockfile was removed when verifying staleness',
      'should retry if the lockfile was removed when verifying staleness (not recursively)',
      'should fail if stating the lockfile errors out when verifying staleness',
      'should fail if removing a stale lockfile errors out',
      'should set stale to a minimum of 2000',
      'should set stale to a minimum of 2000 (falsy)',
      'should call the compromised function if lock was acquired by someone else due to staleness',
      'should call the compromised function when we are over the threshold and mtime is not ours',
    ],
  }),
  ...because(UNTOUCHED, {
    'lock.test.js': [
      'should update the lockfile mtime automatically',
      'should set update to a minimum of 1000',
      'should set update to a minimum of 1000 (falsy)',
      'should set update to a maximum of stale / 2',
      'should call the compromised function if failed to update the lockfile mtime too many times (stat)',
      'should call the compromised function if failed to update the lockfile mtime too many times (utimes)',
      'should call the compromised function if updating the lockfile took too much time',
    ],
    'unlock.test.js': [
      'should stop updating the lockfile mtime (slow fs)',
      'should stop updating the lockfile mtime (slow fs + new lock)',
    ],
  }),
  ...because(KERNEL, {
    'lock.test.js': ['should fail if mkdir fails for an unknown reason'],
    'unlock.test.js': [
      'should fail if removing the lockfile errors out',
      'should ignore ENOENT errors when removing the lockfile',
    ],
  }),
}

function because(reason, cases) {
  const names = Object.entries(cases).flatMap(([file, titles]) => titles.map((title) => `${file}: ${title}`))
  return Object.fromEntries(names.map((name) => [name, reason]))
}
