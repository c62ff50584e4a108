// A tag that its changelog does not describe is not released.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

const SCRIPT = new URL('../../scripts/release/check-changelog.mjs', import.meta.url)
const { releaseNotes } = (await import(SCRIPT.href)) as {
  releaseNotes: (tag: string, version: string, changelog: string) => string
}

const CHANGELOG = `# Changelog

## Unreleased

## 1.1.0 - 2026-02-01

More of it.

- One thing.

### Fixed

- Another.

## 1.1.0-rc.1

A try.

## 1.0.0

The first.
`

describe('the notes of a release', () => {
  test('are its section, with the headings inside it and without its own', () => {
    expect(releaseNotes('v1.1.0', '1.1.0', CHANGELOG)).toBe('More of it.\n\n- One thing.\n\n### Fixed\n\n- Another.')
  })

  test('are the same when the file has the line ends of Windows', () => {
    expect(releaseNotes('v1.1.0', '1.1.0', CHANGELOG.replaceAll('\n', '\r\n'))).toBe(
      releaseNotes('v1.1.0', '1.1.0', CHANGELOG),
    )
  })
})

describe('a tag is refused', () => {
  test.each([
    ['that is not the version of the package', 'v1.0.1', '1.1.0', CHANGELOG, 'package.json says 1.1.0'],
    ['without the v', '1.1.0', '1.1.0', CHANGELOG, 'the tag is 1.1.0'],
    ['without a section', 'v1.2.0', '1.2.0', CHANGELOG, 'no section "## 1.2.0"'],
    ['whose version only begins like a section', 'v1.1.0-rc', '1.1.0-rc', CHANGELOG, 'no section "## 1.1.0-rc"'],
    ['whose section is empty', 'v2.0.0', '2.0.0', '## 2.0.0\n\n## 1.0.0\n\nA.\n', 'says nothing of 2.0.0'],
    ['with two sections', 'v1.0.0', '1.0.0', '## 1.0.0\n\nA.\n\n## 1.0.0\n\nB.\n', 'more than one section'],
    ['below a newer version', 'v1.0.0', '1.0.0', CHANGELOG, '"## 1.1.0" above "## 1.0.0"'],
    [
      'while changes wait for another release',
      'v1.1.0',
      '1.1.0',
      CHANGELOG.replace('## Unreleased\n', '## Unreleased\n\n- Not in any version.\n'),
      '"## Unreleased" above "## 1.1.0"',
    ],
  ])('%s', (_, tag, version, changelog, message) => {
    expect(() => releaseNotes(tag, version, changelog)).toThrow(message)
  })
})

test('the command reads this package, and fails for a tag of another', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(SCRIPT), 'v0.0.0'], {
    encoding: 'utf8',
  })
  expect(status).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toContain('package.json says')
})

test('the changelog of this package begins with what comes next, or with its own version', () => {
  const read = (name: string): string => readFileSync(new URL(`../../${name}`, SCRIPT), 'utf8')
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const [, first] = /^## (\S+)/m.exec(read('CHANGELOG.md')) ?? []
  expect([version, 'Unreleased']).toContain(first)
})
