// The sources whose mutants count: those that the program loads, so support code of tests is excluded. And the import
// graph: the files that load a given file.

import { importedPath, type SourceFile } from "../../src/architecture/source-files.ts"

const layers = /^src\/(protocol|roles|runtime-net|runtime-sim)\//

/** The files that a person starts. */
const entries = ["bin/shoal.js", "src/cli/main.ts"]

const reachable = (
  from: ReadonlyArray<string>,
  next: ReadonlyMap<string, ReadonlyArray<string>>
): ReadonlySet<string> => {
  const found = new Set(from)
  for (const path of found) for (const other of next.get(path) ?? []) found.add(other)
  return found
}

const importsOf = (files: ReadonlyArray<SourceFile>): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    files.map((file) => [
      file.path,
      file.imports.flatMap((imported) => (imported.typeOnly ? [] : (importedPath(file, imported) ?? [])))
    ])
  )

/** Sources of the four layers that are part of the program. */
export const productOf = (files: ReadonlyArray<SourceFile>): ReadonlyArray<SourceFile> => {
  const used = reachable(entries, importsOf(files))
  return files.filter(({ path }) => layers.test(path) && used.has(path))
}

/** For a file, all files that load it, directly or through others. */
export const loadersOf = (files: ReadonlyArray<SourceFile>): ((path: string) => ReadonlySet<string>) => {
  const importers = new Map<string, Array<string>>()
  for (const [path, imports] of importsOf(files)) {
    for (const imported of imports) importers.set(imported, [...(importers.get(imported) ?? []), path])
  }
  return (path) => reachable([path], importers)
}
