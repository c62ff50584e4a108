// Who imports whom, read from the import and export statements themselves: types and dynamic imports count as well.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'

import ts from 'typescript'

/** For each file what it imports. Files of our own are named by their path below the folder, others as imported. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>

/** Whoever matches `from` imports nothing that matches `to`. */
export interface Direction {
  readonly from: RegExp
  readonly to: RegExp
  readonly because: string
}

export function readImportGraph(folder: string): ImportGraph {
  const graph = new Map<string, string[]>()
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue
    const file = entry.split(sep).join('/')
    graph.set(file, importsOf(file, readFileSync(join(folder, entry), 'utf8')))
  }
  return graph
}

export function importsOf(file: string, text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => {
    if (!fileName.startsWith('.')) return fileName
    return posix.join(posix.dirname(file), fileName.replace(/\.js$/, '.ts'))
  })
}

export function violations(graph: ImportGraph, directions: readonly Direction[]): string[] {
  const found: string[] = []
  for (const [file, imports] of graph) {
    for (const imported of imports) {
      for (const { from, to, because } of directions) {
        if (from.test(file) && to.test(imported)) found.push(`${file} imports ${imported}: ${because}`)
      }
    }
  }
  return found
}

/** One cycle for each import that closes one. */
export function cycles(graph: ImportGraph): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const begin = path.indexOf(file)
    if (begin >= 0) found.push([...path.slice(begin), file].join(' → '))
    if (begin >= 0 || done.has(file)) return
    for (const imported of graph.get(file) ?? []) visit(imported, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

/** Imports of our own files that do not exist. */
export function dangling(graph: ImportGraph): string[] {
  return [...graph].flatMap(([file, imports]) =>
    imports.filter((name) => name.endsWith('.ts') && !graph.has(name)).map((name) => `${file} imports ${name}`),
  )
}
