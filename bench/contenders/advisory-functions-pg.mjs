// The functions of the database by hand, as pg is used: a key that is free, no name, no fence, no fairness.
import pg from 'pg'

const KEY = '4611686018427387904'

export default async function (url) {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  const unlock = () => client.query('select pg_advisory_unlock($1)', [KEY])
  return {
    async cycle() {
      await client.query('select pg_try_advisory_lock($1)', [KEY])
      await unlock()
    },
    async lock() {
      await client.query('select pg_advisory_lock($1)', [KEY])
      return unlock
    },
  }
}
