import postgres from 'postgres'

import { postgresJsAdapter } from '../../dist/postgres.js'
import { remoteContender } from '../lib/remote-contender.mjs'

export default (url) => remoteContender({ adapter: postgresJsAdapter(postgres, url) })
