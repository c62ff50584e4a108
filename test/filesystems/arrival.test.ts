// Requests for a file on a distant filesystem whose links are still being looked at.
import { mkdirSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { Holdfast } from '../../src/holdfast.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { Mount } from '../../src/kernel/mount-table.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { Owner } from '../../src/owner.js'
import { missing, posix } from '../helpers/capabilities.js'
import { FakeWorld, microtasks, watch } from '../helpers/fake-world.js'
import { scratch } from '../helpers/scratch.js'

const NFS: Mount = { point: '/', type: 'nfs4', source: 'nas:/home', options: [] }

function distant(): Holdfast {
  const list = { mounts: [NFS], text: 'nfs', at: () => NFS }
  const holdfast = new Holdfast(() => new NativeKernel(() => list), systemClock)
  onTestFinished(() => void holdfast.releaseAll())
  return holdfast
}

test('an owner that waits there is in no circle: nobody knows yet whose lock it will be', async () => {
  const { holdfast, kernel } = new FakeWorld().thread()
  const locate = kernel.locate.bind(kernel)
  vi.spyOn(kernel, 'locate').mockImplementation((path, where) => {
    return { ...locate(path, where), unfollowed: path === '/link' }
  })
  const [first, second] = [new Owner('first'), new Owner('second')]
  const one = holdfast.tryAcquire('/one', { owner: first })
  const two = holdfast.tryAcquire('/two', { owner: second })
  const seen = watch({
    link: holdfast.acquire('/link', { owner: first }), // which may lead to the file that the second one holds
    one: holdfast.acquire('/one', { owner: second }),
  })
  await microtasks()
  expect(seen.order).toEqual([])
  one?.release()
  await microtasks()
  expect(seen.order).toEqual(['one'])
  seen.values.get('one')?.release()
  two?.release()
  first.close()
  await microtasks()
  expect(seen.order).toEqual(['one', 'link rejected'])
})

test.skipIf(missing(posix))(
  'a link that leads to a path that ends in ".." is refused, and the next request is served',
  async () => {
    const holdfast = distant()
    const folder = scratch()
    const path = join(folder, 'file')
    mkdirSync(join(folder, 'sub'))
    symlinkSync('sub/..', path)
    await expect(holdfast.acquire(path)).rejects.toThrow('a path that does not end in ".."')
    const hold = await holdfast.acquire(join(folder, basename(folder)))
    hold.release()
  },
)
