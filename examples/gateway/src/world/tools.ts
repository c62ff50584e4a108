// Tools that do to a run what was done to the runs of the incidents. None of them means any harm.
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'

import { acquire } from 'holdfast'

import type { Tool, Tools } from '../tools.js'

/** Milliseconds of a call that takes longer than its lane. */
const LONG_CALL = 3_000

/** The stream it reads is disconnected, which nobody hears. It never comes back, and neither does what its run holds. */
const hang: Tool = () => {
  void turn().then(() => Promise.reject(new Error('the stream was disconnected')))
  return new Promise(() => {})
}

/** The same, with the transcript's own lock in its hands. */
const hangHolding: Tool = async (use) => {
  await acquire(use.path, { owner: use.lane.owner, label: 'tool' })
  return hang(use)
}

/** Takes a lock without an owner, and forgets it. */
const lose: Tool = async ({ path }) => {
  await acquire(`${path}.index`, { label: 'index' })
  return undefined
}

/** Hears of no end of its lane, and goes on with its run when it is done. */
const deaf: Tool = async ({ note }) => {
  await pause(LONG_CALL)
  await note('a zombie wrote this')
  return undefined
}

/** Its clean-up has three steps, and the second one fails. */
const untidy: Tool = () =>
  Promise.resolve(async () => {
    await turn()
    await Promise.reject(new Error('the clean-up failed'))
    await turn()
  })

/** What a run holds is all that can be leaked where a lock is a file. */
export const lockFileTools: Tools = { hang, deaf, untidy }
export const holdfastTools: Tools = { hang: hangHolding, lose, deaf, untidy }
