// Decides which way imports may run: protocol <- roles <- runtime-sim | runtime-net <- cli, experiments; no cycles; no
// file that nothing imports. A rule takes the sources and gives one line for each breach, which says what to do.

import { posix } from "node:path"
import { type Import, importedPath, importersOf, type SourceFile } from "./source-files.ts"

export type Rule = (files: ReadonlyArray<SourceFile>) => ReadonlyArray<string>

export const isTest = (path: string): boolean => /\.test\.ts$/.test(path) || path.startsWith("test/")

const layerOf = (path: string): string =>
  /^src\/([^/]+)\//.exec(path)?.[1] ?? /^([^/]+)\//.exec(path)?.[1] ?? ""

/** What a layer may import besides itself. */
const below: Readonly<Record<string, ReadonlyArray<string>>> = {
  protocol: [],
  roles: ["protocol"],
  "runtime-sim": ["protocol", "roles"],
  "runtime-net": ["protocol", "roles"],
  experiments: ["protocol", "roles", "runtime-sim", "runtime-net"],
  cli: ["protocol", "roles", "runtime-sim", "runtime-net", "experiments"],
  architecture: [],
  src: ["architecture"],
  bin: ["cli"],
  testing: ["protocol", "roles", "runtime-sim", "runtime-net", "experiments"],
  test: ["testing", "protocol", "roles", "runtime-sim", "runtime-net", "cli", "experiments", "bin"]
}

const where = (file: SourceFile, { line }: { readonly line: number }): string => `${file.path}:${line}`

const eachImport = (
  files: ReadonlyArray<SourceFile>,
  check: (file: SourceFile, imported: Import) => string | undefined
): ReadonlyArray<string> =>
  files.flatMap((file) =>
    file.imports.flatMap((imported) => {
      const breach = check(file, imported)
      return breach === undefined ? [] : [`${where(file, imported)}: ${breach}`]
    })
  )

/** Imports run down the layers only. */
export const layersRunOneWay: Rule = (files) =>
  eachImport(files, (file, imported) => {
    const path = importedPath(file, imported)
    if (path === undefined) return undefined
    const from = layerOf(file.path)
    const to = layerOf(path)
    const allowed = below[from]
    if (allowed === undefined) return `the folder ${from} is in no layer: name it in import-rules.ts`
    if (from === to || to === "" || allowed.includes(to)) return undefined
    if (to === "testing" && isTest(file.path)) return undefined
    return (
      `${from} must not import ${to} (${imported.specifier}): ${from} may import ` +
      `${allowed.length === 0 ? "nothing but itself" : allowed.join(", ")}; move what both need down`
    )
  })

/** Protocol and roles reach nothing but themselves and, roles only, effect. */
export const pureLayersImportNoPlatform: Rule = (files) =>
  eachImport(files, (file, { specifier }) => {
    const layer = /^testing\/(protocol|roles|scenarios|conformance)\//.test(file.path)
      ? "roles"
      : layerOf(file.path)
    if ((layer !== "protocol" && layer !== "roles") || isTest(file.path) || specifier.startsWith(".")) {
      return undefined
    }
    if (layer === "protocol") {
      return `protocol must not import ${specifier}: it is plain TypeScript; effects belong to roles`
    }
    if (specifier === "effect" || specifier.startsWith("effect/")) return undefined
    return `roles must not import ${specifier}: ask for a service (src/roles/services/) that each world supplies`
  })

/** Relative imports name the file with its suffix, and the file exists. */
export const importsExist: Rule = (files) => {
  const known = new Set(files.map(({ path }) => path))
  return eachImport(files, (file, imported) => {
    const path = importedPath(file, imported)
    if (path === undefined || known.has(path) || path.endsWith(".json")) return undefined
    return `${imported.specifier} does not name a file: write its path with .ts`
  })
}

/**
 * No file needs itself by way of others. Type imports count across folders; within a folder two types may name each
 * other (a swarm has neighbours, a neighbour is of a swarm), since nothing of that is left when the program loads.
 */
export const importsHaveNoCycles: Rule = (files) => {
  const needed = (file: SourceFile) =>
    file.imports.flatMap((imported) => {
      const path = importedPath(file, imported)
      if (path === undefined) return []
      return imported.typeOnly && posix.dirname(path) === posix.dirname(file.path) ? [] : [path]
    })
  const targets = new Map(files.map((file) => [file.path, needed(file)]))
  const finished = new Set<string>()
  const trail: Array<string> = []
  const cycles: Array<string> = []
  const visit = (path: string): void => {
    const position = trail.indexOf(path)
    if (position !== -1) {
      const cycle = [...trail.slice(position), path].join(" -> ")
      cycles.push(`${path}: import cycle ${cycle}: move what they share into a file of its own`)
      return
    }
    if (finished.has(path)) return
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    finished.add(path)
  }
  for (const { path } of files) visit(path)
  return cycles
}

/** Started by a person, npm, vitest or the compiler rather than imported. */
const entryPoints: ReadonlyArray<string> = [
  "bin/shoal.js",
  "bin/install-and-run.js",
  "src/architecture/check.ts",
  "src/cli/main.ts"
]

/** Test support: tests may be all that imports it. */
const testSupport: ReadonlyArray<RegExp> = [/^src\/architecture\//, /^test(ing)?\//]

/** Nothing lies around: a file is imported, by more than its own tests, or is listed as an entry point. */
export const everyFileIsUsed: Rule = (files) => {
  const importers = importersOf(files)
  return files.flatMap(({ path }) => {
    if (entryPoints.includes(path) || /\.(test|d)\.ts$/.test(path)) return []
    const by = importers.get(path) ?? []
    if (by.length === 0) return [`${path}: nothing imports it: use it or delete it`]
    const supports = testSupport.some((pattern) => pattern.test(path))
    if (!supports && by.every(isTest)) return [`${path}: only tests import it: use it or delete both`]
    return []
  })
}
