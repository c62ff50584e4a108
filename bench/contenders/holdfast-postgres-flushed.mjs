import { remoteContender } from '../lib/remote-contender.mjs'

export default async (connection) => {
  const contender = await remoteContender({ connection, namespace: 'flushed' })
  return { ...contender, cycle: contender.flushed }
}
