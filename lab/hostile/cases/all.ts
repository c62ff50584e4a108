// Every case, in the order in which they are printed.
import type { Case } from '../case.js'
import { FOLDERS } from './folders.js'
import { FOREIGN_FILES } from './foreign-files.js'
import { GATEWAYS } from './gateways.js'
import { LINKS } from './links.js'
import { NAMES } from './names.js'
import { RACES } from './races.js'
import { RECORDS_OF_OTHERS } from './records.js'
import { SESSION } from './session.js'
import { SPECIAL_FILES } from './special-files.js'

export const CASES: readonly Case[] = [
  ...LINKS,
  ...SPECIAL_FILES,
  ...FOREIGN_FILES,
  ...RECORDS_OF_OTHERS,
  ...NAMES,
  ...FOLDERS,
  ...SESSION,
  ...GATEWAYS,
  ...RACES,
]
