// Where the folder lies, who else may reach its files and how, and what may be done in it.
import { lstatSync } from 'node:fs'

import { mountOptions, type Filesystem } from '../../cli-door.js'
import { withoutHome } from '../report/place.js'
import { failed, ok, warning, type Check } from './check.js'

/** Mount options that say something of locks, or of when a client sees what others did. No others: they may have secrets. */
const TELLING =
  /^(ro|rw|sync|hard|soft|nolock|nobrl|noac|local_lock=\w+|vers=[\d.]+|lookupcache=\w+|cache=\w+|actimeo=\d+)$/

export function checkFilesystem(folder: string, { kind, type, mount, source, reason, distant }: Filesystem): Check {
  const options = mountOptions(folder).filter((option) => TELLING.test(option))
  const mounted = mount === '' ? '' : `, mounted at ${withoutHome(mount)}`
  // Of a server, the source may name hosts and users.
  const device = distant || source === '' || source === type ? '' : ` (${source})`
  const set = [...new Set(options)].join(',')
  const text = `${withoutHome(folder)}: ${type}${device}${mounted}${set === '' ? '' : `, ${set}`}`
  switch (kind) {
    case 'local':
      return ok('filesystem', `${text}; this kernel keeps its locks`)
    case 'broken':
      return failed(
        'filesystem',
        `${text}; ${reason}`,
        'keep files that are locked elsewhere; holdfast refuses this place',
      )
    case 'network':
      return warning('filesystem', `${text}; ${reason}`, 'run this on two hosts that share it before relying on locks')
    case 'unsure':
      return warning('filesystem', `${text}; ${reason}`, 'run this on both sides that share it before relying on locks')
  }
}

/** Ways by which others may reach the same files and meet other locks. */
export function checkRoutes({ type, kind }: Filesystem): Check {
  const hazard = HAZARDS.find(({ types }) => types.test(type))
  if (hazard !== undefined) return warning('routes', hazard.text, hazard.advice)
  if (kind === 'network') {
    return warning(
      'routes',
      'clients of the server may lock each for themselves',
      'see docs/guarantees.md, shared folders',
    )
  }
  return ok('routes', 'whoever reaches these files through this kernel meets the same locks')
}

const HAZARDS = [
  {
    types: /^(overlay|aufs)$/,
    text: 'an overlay: other containers, and whoever goes to its upper folder, see other files and meet other locks',
    advice: 'in a container, keep files that others use on a volume',
  },
  {
    types: /^(9p|drvfs|virtiofs|vboxsf|fuse\.grpcfuse|fuse\.vmhgfs-fuse|osxfs|fakeowner)$/,
    text: 'a folder shared with a host (WSL, Docker Desktop, a virtual machine): programs of the host do not meet these locks',
    advice: 'use the folder from one side only; in WSL a folder of Linux, with Docker a volume',
  },
  {
    types: /^fuse/,
    text: 'FUSE: whoever goes to the files behind it, or through another mount of them, may meet other locks',
    advice: 'let everybody use this one mount',
  },
]

/** Who may delete or replace lock files here. Windows says it in another way. */
export function checkPermissions(folder: string): Check {
  if (process.platform === 'win32') return ok('permissions', 'files can be made here')
  const { mode } = lstatSync(folder)
  const text = `files can be made here; mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`
  const everybody = (mode & 0o002) !== 0 && (mode & 0o1000) === 0
  if (!everybody) return ok('permissions', text)
  return warning(
    'permissions',
    `${text}: every user may delete the lock files of others`,
    'chmod o-w, or +t as /tmp has',
  )
}
