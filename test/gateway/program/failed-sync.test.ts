// After a sync that failed nobody knows what the device has: the transcript must be opened again before more is written. The
// gateway does that by itself.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missing, program } from '../../helpers/capabilities.js'
import { scratch } from '../../helpers/scratch.js'
import { until } from '../../helpers/until.js'
import { post, Program } from './programs.js'
import { answered, answersOf, message, messagesOf, write } from './stand.js'

const lacking = missing(program('strace'))

test.skipIf(lacking)(
  'a sync that fails costs an attempt, and no session: what comes later is taken and answered',
  async () => {
    const folder = scratch()
    write(folder, 'a', [message('before')])
    const log = join(scratch(), 'log')
    // Of each thread that syncs the second sync fails: the first one is of the lock's record, and costs nothing.
    const fault = ['-f', '-qq', '-o', log, '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=2']
    const gateway = Program.startThrough(['strace', ...fault], 'main', '--folder', folder, '--port', '0')
    const url = await gateway.url()
    await answered(folder, 'a', 'before')
    expect(await gateway.logged('run failed')).toMatchObject({
      session: 'a',
      error: expect.stringContaining('SessionError') as string,
    })
    expect(readFileSync(log, 'latin1')).toContain('INJECTED')

    // Sent again, as clients do, where it met a thread that had not failed yet.
    await until('it is taken', async () => (await post(url, 'a', 'after')).status === 202)
    await answered(folder, 'a', 'after')
    expect([messagesOf(folder, 'a'), answersOf(folder, 'a')]).toEqual([
      ['before', 'after'],
      ['before', 'after'],
    ])
  },
)
