// A table in WAL mode, a transaction for each line. Synchronous: while it writes, the event loop stands.
import Database from 'better-sqlite3'

export default function (path, { synchronous }) {
  const database = new Database(path, { timeout: 60_000 })
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${synchronous}`)
  database.pragma('fullfsync = ON') // what fsync() of Node does on macOS; nothing elsewhere
  database.exec('CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, line TEXT NOT NULL)')
  const insert = database.prepare('INSERT INTO lines (line) VALUES (?)')
  return {
    append(value) {
      insert.run(JSON.stringify(value))
    },
    close() {
      database.close()
    },
  }
}

export function* lines(path) {
  const database = new Database(path, { readonly: true })
  try {
    yield* database.prepare('SELECT line FROM lines ORDER BY id').pluck().iterate()
  } finally {
    database.close()
  }
}
