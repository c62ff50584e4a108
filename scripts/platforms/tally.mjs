// Counts cases, and keeps how each target was shown: that it ran is more than that it links.
const sum = { passed: 0, failed: 0, skipped: 0 }
const shown = []

function add(target, words, counts) {
  for (const [kind, number] of Object.entries(counts)) sum[kind] += number
  shown.push({ target, words })
}

export const tally = {
  add,
  pass: (target, words) => add(target, words, { passed: 1 }),
  fail: (target, words) => add(target, `FAILED: ${words}`, { failed: 1 }),
  skip: (target, words) => add(target, words, { skipped: 1 }),
}

/** Prints how each target was shown and, last of all, the sum. Answers whether that is a success. */
export function printTally() {
  console.log('\n# How each target was shown')
  for (const one of new Set(shown.map(({ target }) => target))) {
    for (const { target, words } of shown) if (target === one) console.log(`${target.padEnd(16)} ${words}`)
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
  return sum.failed === 0 && sum.passed > 0
}
