import { fetchTool } from '../cross/cache.mjs'

/** Thrown by a case that cannot run here. The message names what this machine lacks. */
export class Skip extends Error {}

/** A program from the cache, which has those of one kind of machine. */
export function tool(name) {
  const glibc = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime !== undefined
  if (!glibc || process.arch !== 'x64') throw new Skip(`${name} is fetched for Linux on x64 with glibc only`)
  return fetchTool(name)
}
