// The protocol that many programs use, for comparison: the lock file's existence is the lock. Made with exclusive create,
// it holds a process id and a time; others poll, and may remove it when it is older than the stale age. The numbers are
// those of a real chat gateway: it gives up after 10 s, and nothing is stale before 30 s.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const WAIT = 10_000
const STALE = 30_000
const POLL = 10

export async function lock(path) {
  const file = `${path}.lock`
  const started = Date.now()
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify({ pid: process.pid, createdAt: Date.now() }), { flag: 'wx' })
      return { release: () => rmSync(file, { force: true }) }
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (age(file) > STALE) rmSync(file, { force: true })
    else if (Date.now() - started > WAIT) throw new Error(`${file} is locked`)
    else await pause(POLL)
  }
}

function age(file) {
  try {
    return Date.now() - JSON.parse(readFileSync(file, 'utf8')).createdAt
  } catch {
    return 0 // gone already, or just being written
  }
}
