// Prints the sources for one system, for binding.gyp beside it: node sources.cjs posix|windows
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const wanted = process.argv[2]
for (const line of readFileSync(join(__dirname, 'sources.txt'), 'utf8').split('\n')) {
  const [system, file] = line.trim().split(' ')
  if (system === 'all' || system === wanted) console.log(file)
}
