// `holdfast doctor`: it really tries, says what is wrong and what to do, and leaves nothing behind.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { checkFilesystem, checkRoutes } from '../../src/cli/doctor/folder.js'
import { widthOfText } from '../../src/cli/text.js'
import { classify } from '../../src/kernel/filesystem.js'
import { anotherUser, missing, posix, procfs, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { holdfast, PROGRAM, Running } from './program.js'

interface Report {
  works: boolean
  checks: { name: string; status: string; text: string; advice?: string; milliseconds?: number }[]
}

function doctor(folder: string): Report & { status: number | null } {
  const { status, stdout, stderr } = holdfast(['doctor', '--json', folder])
  expect(stderr).toBe('')
  expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  return { status, ...(JSON.parse(stdout) as Report) }
}

describe('doctor', () => {
  test('finds that locking works, measures it, and leaves nothing', () => {
    const folder = scratch()
    const { status, works, checks } = doctor(folder)
    expect(checks.filter((check) => check.status === 'failed')).toEqual([])
    expect([status, works]).toEqual([0, true])
    expect(checks.map(({ name }) => name)).toEqual([
      ...[
        'system',
        'addon',
        'filesystem',
        'routes',
        'permissions',
        'exclusion',
        'shared',
        'death',
        'record',
        'hand-over',
      ],
      ...(program('flock').there ? ['flock(1)'] : []),
    ])
    for (const { name, milliseconds } of checks) {
      expect(typeof milliseconds).toBe(['death', 'hand-over'].includes(name) ? 'number' : 'undefined')
    }
    expect(checks[0]?.text).toContain(`Node ${process.versions.node}`)
    expect(checks[1]?.text).toMatch(/\.node$/)
    expect(readdirSync(folder)).toEqual([])
  })

  test('prints what may be pasted: in 80 columns, without colour, without the home folder', () => {
    const folder = scratch()
    const { stdout, status } = holdfast(['doctor', folder], {
      env: { ...process.env, HOME: folder, USERPROFILE: folder },
    })
    expect(status).toBe(0)
    expect(stdout.split('\n').filter((line) => widthOfText(line) > 80)).toEqual([])
    expect(stdout).not.toContain(folder)
    expect(stdout).toMatch(/^ok +filesystem +~: /m)
    expect(stdout).toMatch(/^Locking works here/m)
    expect(stdout).not.toContain('\x1b')
  })

  test.skipIf(missing(anotherUser, posix))('fails where no lock file can be made', () => {
    const folder = scratch()
    chmodSync(folder, 0o755)
    const nobody = { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' } as const
    const { status, stdout } = spawnSync(process.execPath, [PROGRAM, 'doctor', folder], nobody)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^failed +permissions +EACCES/m)
    expect(stdout).toContain('→ lock files need a folder where files can be made')
    expect(stdout).toMatch(/^Locking does not work here: 1 failed/m)
  })

  test.skipIf(missing(posix))('warns where everybody may delete the lock files of others', () => {
    const folder = scratch()
    chmodSync(folder, 0o777)
    const { status, checks } = doctor(folder)
    expect(status).toBe(0)
    expect(checks.find(({ name }) => name === 'permissions')).toMatchObject({
      status: 'warning',
      advice: 'chmod o-w, or +t as /tmp has',
    })
    chmodSync(folder, 0o1777)
    expect(doctor(folder).checks.find(({ name }) => name === 'permissions')).toMatchObject({ status: 'ok' })
  })

  test.skipIf(missing(program('strace')))('fails where every lock is granted and none is kept', () => {
    const folder = scratch()
    const traced = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=flock', '-e', 'inject=flock:retval=0']
    const command = [process.execPath, PROGRAM, 'doctor', '--json', folder]
    const { status, stdout } = spawnSync('strace', [...traced, ...command], { encoding: 'utf8' })
    expect(status).toBe(1)
    const { works, checks } = JSON.parse(stdout) as Report
    expect(works).toBe(false)
    const failures = checks.filter((check) => check.status === 'failed').map(({ name }) => name)
    expect(failures).toEqual(expect.arrayContaining(['exclusion', 'shared']))
    expect(readdirSync(folder)).toEqual([])
  })

  test.skipIf(missing(program('strace')))('fails in every trial where no lock can be taken', () => {
    const folder = scratch()
    const traced = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=flock', '-e', 'inject=flock:error=ENOLCK']
    const command = [process.execPath, PROGRAM, 'doctor', '--json', folder]
    const { status, stdout, stderr } = spawnSync('strace', [...traced, ...command], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([1, ''])
    const { checks } = JSON.parse(stdout) as Report
    for (const name of ['exclusion', 'shared', 'death', 'record', 'hand-over']) {
      expect(checks.find((check) => check.name === name)).toMatchObject({ status: 'failed' })
    }
    expect(readdirSync(folder)).toEqual([])
  })

  test('fails where the addon does not load, and tries nothing then', () => {
    const folder = scratch()
    const command = ['--no-addons', PROGRAM, 'doctor', '--json', folder]
    const { status, stdout } = spawnSync(process.execPath, command, { encoding: 'utf8' })
    const { works, checks } = JSON.parse(stdout) as Report
    expect([status, works]).toEqual([1, false])
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual(['system ok', 'addon failed'])
    expect(checks[1]?.text).toContain('holdfast has no native addon that loads')
  })

  test.skipIf(missing(posix, procfs))('leaves neither files nor processes when it is interrupted', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const folder = scratch()
      const running = Running.holdfast(['doctor', folder])
      await until(
        'it has begun its trials',
        () => running.output.includes('permissions') && readdirSync(folder).length > 0,
      )
      running.process.kill(signal)
      const { code } = await running.ended // of all that had its output
      expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal])
      expect(readdirSync(folder)).toEqual([])
      await until('its processes are gone', () => inGroup(running.pid).length === 0)
    }
  })

  test.skipIf(missing(posix, procfs))('leaves no processes when it is killed', async () => {
    const folder = scratch()
    const running = Running.holdfast(['doctor', folder])
    await until('it has begun its trials', () => inGroup(running.pid).length > 1)
    running.process.kill('SIGKILL')
    await until('its processes are gone', () => inGroup(running.pid).length === 0)
  })

  test('is for one folder, which is there', () => {
    expect(holdfast(['doctor', 'a', 'b']).status).toBe(64)
    expect(holdfast(['doctor', join(scratch(), 'none')]).status).toBe(71)
    const folder = scratch()
    writeFileSync(join(folder, 'file'), '')
    expect(holdfast(['doctor', join(folder, 'file')]).status).toBe(1)
    mkdirSync(join(folder, 'sub'))
    expect(holdfast(['doctor', '--peer']).status).toBe(64)
  })
})

describe('what doctor says of mounts', () => {
  const mount = (type: string, source = '/dev/x', options: string[] = ['rw']) =>
    classify({ point: '/data', type, source, options })

  test.each([
    ['ext4', 'ok', 'ok'],
    ['overlay', 'ok', 'warning'],
    ['nfs4', 'warning', 'warning'],
    ['fuse.sshfs', 'warning', 'warning'],
    ['9p', 'warning', 'warning'],
    ['virtiofs', 'warning', 'warning'],
    ['fuse.grpcfuse', 'warning', 'warning'],
    ['fakeowner', 'failed', 'warning'],
  ])('%s: filesystem %s, routes %s', (type, filesystem, routes) => {
    expect(checkFilesystem('/data', mount(type)).status).toBe(filesystem)
    expect(checkRoutes(mount(type)).status).toBe(routes)
  })

  test('with locks that a client keeps to itself is a failure', () => {
    expect(checkFilesystem('/data', mount('nfs4', 'server:/x', ['rw', 'local_lock=all'])).status).toBe('failed')
  })

  test('names neither servers nor users', () => {
    for (const source of ['server:/export', '//user:secret@server/share', 'user@server:/home']) {
      for (const type of ['nfs4', 'cifs', 'fuse.sshfs']) {
        expect(JSON.stringify(checkFilesystem('/data', mount(type, source)))).not.toMatch(/server:|secret|user@/)
      }
    }
  })
})

/** The processes that it leads. */
function inGroup(leader: number): string[] {
  const { stdout } = spawnSync('ps', ['-e', '-o', 'pgid=,stat='], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => Number(line.trim().split(/\s+/)[0]) === leader && !/ Z/.test(line))
}
