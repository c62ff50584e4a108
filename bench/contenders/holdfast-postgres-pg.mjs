import { remoteContender } from '../lib/remote-contender.mjs'

export default (connection) => remoteContender({ connection })
