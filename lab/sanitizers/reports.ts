// What sanitizers reported, and which of it is ours.
//
// A wrong access is ours wherever it is found: nothing but the addon is built with a sanitizer. A race is ours if the addon
// is in one of its stacks: of Node's own locks a sanitizer sees only half. Memory that was not freed is ours if
// the addon asked for it, by itself or through Node: Node ends without freeing what it has, and so do other programs that a
// suite starts. What V8 asks for while it runs JavaScript that the addon called is V8's. No list of suppressions does that: it would also hide what the addon asked for when Node called it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A frame of the addon, by its library or, where its symbols are read, by its name. */
export const ADDON = /\bholdfast\.node\b|\bholdfast::/

const LEAK = /^(Direct|Indirect) leak of /
/** Frames above this one are of JavaScript that runs, or of what that called. */
const JAVASCRIPT = /\bBuiltins_JSEntry\b/

export function reportsIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => ours(readFileSync(join(folder, name), 'utf8')))
}

function askedByAddon(stack: string): boolean {
  return ADDON.test(stack.split(JAVASCRIPT)[0] ?? '')
}

function ours(text: string): string[] {
  if (text.includes('ThreadSanitizer')) {
    return text.split('==================').filter((report) => ADDON.test(report))
  }
  if (!text.includes('LeakSanitizer: detected memory leaks')) return text.trim() === '' ? [] : [text]
  const leaks = text.split('\n\n').filter((block) => LEAK.test(block) && askedByAddon(block))
  return leaks.length === 0 ? [] : [`LeakSanitizer: detected memory leaks\n${leaks.join('\n\n')}`]
}
