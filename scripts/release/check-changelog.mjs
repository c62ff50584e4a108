// What a tag must fulfil before anything is published: node scripts/release/check-changelog.mjs <tag>
//
// Prints the tagged version's section of CHANGELOG.md, which becomes the text of the release.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The sections of a changelog, in its order: what stands in each heading "## …" before the date, and its text. */
function sections(changelog) {
  const [, ...parts] = changelog.replaceAll('\r\n', '\n').split(/^## /m)
  return parts.map((part) => {
    const [heading, ...lines] = part.split('\n')
    return { title: heading.split(' ')[0].trim(), text: lines.join('\n').trim() }
  })
}

/** The text of the one section that describes `tag`. Throws when the tag and what it stands for do not agree. */
export function releaseNotes(tag, version, changelog) {
  if (tag !== `v${version}`) throw new Error(`the tag is ${tag}, but package.json says ${version}`)
  const all = sections(changelog)
  const [section, second] = all.filter(({ title }) => title === version)
  if (section === undefined) throw new Error(`CHANGELOG.md has no section "## ${version}"`)
  if (second !== undefined) throw new Error(`CHANGELOG.md has more than one section "## ${version}"`)
  if (section.text === '') throw new Error(`CHANGELOG.md says nothing of ${version}`)
  const above = all.slice(0, all.indexOf(section)).find(({ title, text }) => title !== 'Unreleased' || text !== '')
  if (above !== undefined) throw new Error(`CHANGELOG.md has "## ${above.title}" above "## ${version}"`)
  return section.text
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (name) => readFileSync(join(import.meta.dirname, '..', '..', name), 'utf8')
  try {
    console.log(releaseNotes(process.argv[2], JSON.parse(read('package.json')).version, read('CHANGELOG.md')))
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
