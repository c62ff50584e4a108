// The screen of `holdfast ps --watch` in this process: Node takes no notes of one that stops itself.
import { PassThrough } from 'node:stream'

import { expect, onTestFinished, test, vi } from 'vitest'

import { Screen } from '../../src/cli/ps/screen.js'
import { missing, posix } from '../helpers/capabilities.js'
import { Seen } from './screen.js'

test.skipIf(missing(posix))(
  'a screen is left before the program is stopped, and is drawn whole when it goes on',
  () => {
    let output = ''
    const out = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24 })
    out.on('data', (bytes: Buffer) => (output += bytes.toString()))
    const terminal = { out: out as unknown as NodeJS.WriteStream, err: process.stderr, colour: false }
    const screen = new Screen(
      terminal,
      () => screen.draw(['one', 'two']),
      () => expect.fail('nobody quits'),
    )
    const leftBefore: boolean[] = []
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      leftBefore.push(!new Seen(output).onSecond)
      return true
    })
    onTestFinished(() => {
      screen.close()
      kill.mockRestore()
    })

    screen.open()
    screen.draw(['one', 'two'])
    process.emit('SIGCONT') // it was never stopped
    expect(output.split('one')).toHaveLength(2)
    process.emit('SIGTSTP')
    expect(kill).toHaveBeenCalledExactlyOnceWith(0, 'SIGSTOP')
    expect(leftBefore).toEqual([true])
    screen.draw(['one', 'three'])
    expect(output).not.toContain('three')
    process.emit('SIGCONT')
    const seen = new Seen(output)
    expect([seen.onSecond, seen.cursor, seen.wraps]).toEqual([true, false, false])
    expect(seen.rows).toEqual(['one', 'two'])
  },
)
