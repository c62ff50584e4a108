// What only Windows can get wrong: the place of the locked byte, handles that children inherit, files on their way to be
// deleted, and paths in the system's own form.
import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { join, toNamespacedPath } from 'node:path'

import { acquire, isLockError, tryAcquire } from '../../../src/index.js'
import type { ProcessCase } from '../process-case.js'
import { KeptProbe, probe } from './probe.js'

const RECORD_SIZE = 512

/** What opening a file answers while somebody deletes it, as Node names it: which of these depends on who deletes how. */
const REFUSALS = ['EBUSY', 'EACCES', 'EPERM']

export const windowsCases: readonly ProcessCase[] = [
  {
    title: 'whoever locks the byte at 0x7FFFFFFFFFFFFFFE of the lock file by hand keeps holdfast out',
    async run(folder) {
      const file = join(folder, 'file')
      tryAcquire(file)?.release()
      const holder = await KeptProbe.start('lock', `${file}.hold`)
      assert.equal(holder.said, 'locked')
      assert.equal(tryAcquire(file), null)
      const waiting = acquire(file)
      await holder.end()
      const hold = await waiting
      hold.release()
    },
  },
  {
    title: 'holdfast keeps out whoever locks the byte at 0x7FFFFFFFFFFFFFFE of the lock file by hand',
    async run(folder) {
      const file = join(folder, 'file')
      const hold = await acquire(file)
      assert.equal(probe(['lock', hold.lockfile]).trim(), 'busy')
      hold.release()
      const holder = await KeptProbe.start('lock', hold.lockfile)
      assert.equal(holder.said, 'locked')
      await holder.end()
    },
  },
  {
    title: 'the 512 bytes of the record can be read by any program while the lock is held',
    async run(folder) {
      const hold = await acquire(join(folder, 'file'), { label: 'a label' })
      const record = probe(['read', hold.lockfile])
      assert.equal(record.length, RECORD_SIZE)
      assert.match(record, new RegExp(`^holdfast \\{"v":1,.*"pid":${process.pid}\\b.*"a label".*\\n$`))
      hold.release()
    },
  },
  {
    title: 'a child program inherits other handles, and not the one of a held lock',
    async run(folder) {
      const hold = await acquire(join(folder, 'file'))
      const control = openSync(join(folder, 'inherited'), 'w')
      // The error output is the control: a list that lacks it would show nothing about what else is missing.
      const list = probe(['handles'], ['ignore', 'pipe', control])
      closeSync(control)
      hold.release()
      assert.ok(list.includes('inherited'), `the list lacks what is inherited:\n${list}`)
      assert.ok(!list.includes('file.hold'), `the lock file is among what is inherited:\n${list}`)
    },
  },
  {
    title: 'a lock file that somebody is deleting is refused with an error, and made again when it is gone',
    async run(folder) {
      const file = join(folder, 'file')
      writeFileSync(`${file}.hold`, '')
      const deleting = await KeptProbe.start('doom', `${file}.hold`)
      assert.equal(deleting.said, 'doomed')
      await assert.rejects(acquire(file, { timeout: Infinity }), (error) => {
        assert.ok(isLockError(error, 'ERR_LOCK_SYSTEM'), String(error))
        const { code } = error.cause as NodeJS.ErrnoException
        assert.ok(REFUSALS.includes(String(code)), code)
        return true
      })
      await deleting.end()
      assert.ok(!existsSync(`${file}.hold`))
      const hold = await acquire(file)
      assert.ok(existsSync(hold.lockfile))
      hold.release()
    },
  },
  {
    title: 'a path with the prefix \\\\?\\ is the same lock as without it',
    async run(folder) {
      const file = join(folder, 'file')
      const hold = await acquire(toNamespacedPath(file))
      assert.notEqual(toNamespacedPath(file), file)
      assert.equal(tryAcquire(file), null)
      hold.release()
      const other = await acquire(file)
      assert.equal(tryAcquire(toNamespacedPath(file)), null)
      other.release()
    },
  },
]
