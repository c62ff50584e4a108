import { tryAcquire } from '../../dist/index.js'

const nothing = () => {}

/** One hold for all; a cycle is a guard in it. */
export default function (path) {
  const hold = tryAcquire(path, { keep: true, maxHold: 3_600_000 })
  return {
    cycle: () => hold.guard(nothing),
  }
}
