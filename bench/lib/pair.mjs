// Rows of two contenders: what something adds to the same cycle without it.
import { nodeCyclist, preparedPath } from './cyclists.mjs'
import { interleave, summary } from './rounds.mjs'
import { atMost } from './stats.mjs'

/** `without` and `having` are { name, contender }; `most` is the ratio that the row is held to. */
export async function measurePair({ folder, quick }, { id, without, having, most, notes }) {
  const cyclist = async ({ name, contender }) =>
    nodeCyclist(name, contender, await preparedPath(folder, `${id}-${contender}`), 1000)
  const runners = await interleave([await cyclist(without), await cyclist(having)], quick ? 60 : 300, 20)
  const entries = runners.map(summary)
  return {
    entries,
    unit: 'a cycle',
    baseline: without.name,
    notes,
    checks: [atMost(`against ${without.name}`, entries[1].median / entries[0].median, most, ' ×')],
  }
}
