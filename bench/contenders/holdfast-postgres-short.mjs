import { remoteContender } from '../lib/remote-contender.mjs'

export default (connection) =>
  remoteContender({ connection, namespace: 'short', heartbeat: { every: 300, answer: 1200, server: 3000 } })
