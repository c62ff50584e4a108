import { fetchTool } from '../cross/cache.mjs'

/** Thrown by a case that cannot run here. The message names what this machine lacks. */
export class Skip extends Error {}

/** A program from the cache, which has those of one kind of machine. */
export function tool(name) {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Skip(`${name} is fetched for Linux on x64 only`)
  return fetchTool(name)
}
