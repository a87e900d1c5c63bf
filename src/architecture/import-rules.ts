// Rules about imports: protocol <- roles <- runtime-sim | runtime-net <- cli, experiments; no cycles of files or
// folders; no file that nothing imports. A rule takes the sources and returns one line per breach, which says what to
// do.

import { posix } from "node:path"
import { type Import, importedPath, importersOf, type SourceFile } from "./source-files.ts"

export type Rule = (files: ReadonlyArray<SourceFile>) => ReadonlyArray<string>

export const isTest = (path: string): boolean => /\.test\.ts$/.test(path) || path.startsWith("test/")

const layerOf = (path: string): string =>
  /^src\/([^/]+)\//.exec(path)?.[1] ?? /^([^/]+)\//.exec(path)?.[1] ?? ""

/** The layers that a layer may import besides itself. */
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
  testing: ["architecture", "protocol", "roles", "runtime-sim", "runtime-net", "experiments"],
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

/** Protocol imports no package, and roles import none but effect. */
export const pureLayersImportNoPlatform: Rule = (files) =>
  eachImport(files, (file, { specifier }) => {
    const layer = /^testing\/(protocol|roles|scenarios|conformance)\//.test(file.path)
      ? "roles"
      : layerOf(file.path)
    if ((layer !== "protocol" && layer !== "roles") || isTest(file.path) || specifier.startsWith(".")) {
      return undefined
    }
    // A generator of test values is a plain value; the test that draws from it has the seed.
    if (specifier === "fast-check" && file.path.startsWith("testing/")) return undefined
    if (layer === "protocol") {
      return `protocol must not import ${specifier}: it is plain TypeScript; effects belong to roles`
    }
    if (specifier === "effect" || specifier.startsWith("effect/")) return undefined
    return `roles must not import ${specifier}: ask for a service (src/roles/services/) that each world supplies`
  })

/** A relative import names a file that exists, with its suffix. */
export const importsExist: Rule = (files) => {
  const known = new Set(files.map(({ path }) => path))
  return eachImport(files, (file, imported) => {
    const path = importedPath(file, imported)
    if (path === undefined || known.has(path) || path.endsWith(".json")) return undefined
    return `${imported.specifier} does not name a file: write its path with .ts`
  })
}

/** The files of the repository that each file imports, types included. */
const importsOf = (files: ReadonlyArray<SourceFile>): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    files.map((file) => [file.path, file.imports.flatMap((imported) => importedPath(file, imported) ?? [])])
  )

/** The cycles of a graph, found by a walk in the order of its keys. Each begins and ends with the same place. */
const cyclesOf = (
  targets: ReadonlyMap<string, ReadonlyArray<string>>
): ReadonlyArray<ReadonlyArray<string>> => {
  const finished = new Set<string>()
  const trail: Array<string> = []
  const cycles: Array<ReadonlyArray<string>> = []
  const visit = (place: string): void => {
    const position = trail.indexOf(place)
    if (position !== -1) {
      cycles.push([...trail.slice(position), place])
      return
    }
    if (finished.has(place)) return
    trail.push(place)
    for (const target of targets.get(place) ?? []) visit(target)
    trail.pop()
    finished.add(place)
  }
  for (const place of targets.keys()) visit(place)
  return cycles
}

/** No file imports itself through others. The import of a type counts like any other. */
export const importsHaveNoCycles: Rule = (files) =>
  cyclesOf(importsOf(files)).map(
    (cycle) =>
      `${cycle[0]}: import cycle ${cycle.join(" -> ")}: name what one needs of the other in an interface, or move ` +
      "what they share into a file of its own"
  )

/** Folders form no cycle, so that a reader can go through them from the lowest to the highest. Tests do not count. */
export const foldersHaveNoCycles: Rule = (files) => {
  const folders = new Map<string, Array<string>>()
  // For the message: an import that leads from one folder to the other.
  const example = new Map<string, string>()
  for (const [path, targets] of importsOf(files.filter((file) => !isTest(file.path)))) {
    const from = posix.dirname(path)
    for (const target of targets) {
      const to = posix.dirname(target)
      if (from === to) continue
      if (!folders.get(from)?.includes(to)) folders.set(from, [...(folders.get(from) ?? []), to])
      if (!example.has(`${from} ${to}`)) example.set(`${from} ${to}`, `${path} imports ${target}`)
    }
  }
  return cyclesOf(folders).map((cycle) => {
    const steps = cycle.slice(1).map((to, index) => example.get(`${cycle[index]} ${to}`))
    return `${cycle[0]}: folders in a circle: ${steps.join("; ")}: move what they share down`
  })
}

const roleFolders = ["agent", "origin", "build-index", "tracker", "proxy"]

const roleOf = (path: string): string | undefined => {
  const folder = /^src\/roles\/([^/]+)\//.exec(path)?.[1]
  return folder !== undefined && roleFolders.includes(folder) ? folder : undefined
}

/**
 * A role imports another role only through its client (src/roles/client/). A herd runs several roles and may import
 * them.
 */
export const rolesMeetByClients: Rule = (files) =>
  eachImport(
    files.filter(({ path }) => !isTest(path)),
    (file, imported) => {
      const path = importedPath(file, imported)
      const from = roleOf(file.path)
      const to = path === undefined ? undefined : roleOf(path)
      if (from === undefined || to === undefined || from === to) return undefined
      return `the role ${from} imports ${path}: ask the role ${to} by its client in src/roles/client/`
    }
  )

/** Files that a person, npm, vitest or the compiler starts. */
const entryPoints: ReadonlyArray<string> = [
  "bin/shoal.js",
  "bin/install-and-run.js",
  "src/architecture/check.ts",
  "testing/mutation/main.ts",
  "src/cli/main.ts"
]

/** Test support may be imported by tests alone. */
const testSupport: ReadonlyArray<RegExp> = [/^src\/architecture\//, /^test(ing)?\//]

/** Every file is an entry point or is imported by more than tests. */
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
