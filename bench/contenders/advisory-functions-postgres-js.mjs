// The functions of the database by hand, as postgres.js is used, which prepares them.
import postgres from 'postgres'

const KEY = '4611686018427387905'

export default async function (url) {
  const sql = await postgres(url, { max: 1 }).reserve()
  const unlock = () => sql`select pg_advisory_unlock(${KEY})`
  return {
    async cycle() {
      await sql`select pg_try_advisory_lock(${KEY})`
      await unlock()
    },
    async lock() {
      await sql`select pg_advisory_lock(${KEY})`
      return unlock
    },
  }
}
