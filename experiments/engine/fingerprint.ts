// Fingerprints of the code that a result depends on: an experiment's module (experiments/NAME/NAME.ts) is bundled with all
// that it imports, and the bundle is hashed without names, places and comments (program-hash.ts), with the contents of
// the files that it names by URL and the versions of the packages that it imports. Two fingerprints: that of a cell
// leaves out modules that only draw and tell (charts, conclusions), so that finished cells outlive a change of those;
// that of a report has everything. What the bundler drops as unused does not count.

import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { basename, dirname, isAbsolute, join } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import { Data, Effect } from "effect"
import { type Plugin, rolldown } from "rolldown"
import { programHash } from "./program-hash.ts"

/** An experiment's sources could not be read. */
export class SourcesUnreadable extends Data.TaggedError("SourcesUnreadable")<{ readonly message: string }> {}

export interface Fingerprints {
  readonly report: string
  readonly cell: string
}

/** The root of the repository. */
const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Names of files that have no part in measuring. */
const presentation = /(^|-)(charts?|conclusions?|answers?|report)(-|\.)/

const isPackage = (specifier: string): boolean => !specifier.startsWith(".") && !isAbsolute(specifier)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex")

const presentationModule = "presentation:"

/** Takes modules that only draw for something outside. */
const withoutPresentation: Plugin = {
  name: "without-presentation",
  resolveId: (specifier) =>
    !isPackage(specifier) && presentation.test(basename(specifier))
      ? { id: presentationModule, external: true }
      : undefined
}

const urlPattern = /new URL\(\s*"(\.[^"]+)"\s*,\s*import\.meta\.url\s*\)/g

/**
 * A file that is named by URL is in the code by its contents, a module (a worker's) by being imported. A folder, or a
 * file that is not there, stays a name.
 */
const filesByUrl: Plugin = {
  name: "files-by-url",
  transform: (code, id) => {
    const modules: Array<string> = []
    const replaced = code.replace(urlPattern, (whole, specifier: string) => {
      const file = join(dirname(id), specifier)
      if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return whole
      if (!/\.[cm]?[jt]s$/.test(file)) return JSON.stringify(sha256(readFileSync(file)))
      modules.push(`;import ${JSON.stringify(specifier)}`)
      return '"module"'
    })
    return `${replaced}\n${modules.join("\n")}`
  }
}

/** The code of `module` (a path) and of all that it imports but packages, and the files it was read from. */
const bundled = async (module: string, plugins: ReadonlyArray<Plugin>) => {
  const bundle = await rolldown({
    input: module,
    external: isPackage,
    platform: "node",
    plugins: [...plugins, filesByUrl],
    // Whether a constant stands in the same file must not show.
    optimization: { inlineConst: false },
    tsconfig: false,
    logLevel: "silent"
  })
  try {
    const { output } = await bundle.generate({ format: "esm", codeSplitting: false })
    return { code: output[0].code, files: await bundle.watchFiles }
  } finally {
    await bundle.close()
  }
}

/** In one line; the bundler's second says what is wrong, the others draw the place. */
const reasonOf = (cause: unknown): string => {
  const lines = stripVTControlCharacters(String(cause)).split("\n")
  return lines
    .filter((line) => line !== "")
    .slice(0, 2)
    .join(" ")
}

const hashOfModule = async (
  root: string,
  module: string,
  plugins: ReadonlyArray<Plugin>
): Promise<string> => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const { code } = await bundled(module, plugins)
  return programHash(code, (specifier) => `${specifier} ${dependencies[packageOf(specifier)] ?? ""}`)
}

/** Of the experiment `name` as its sources stand on the disk now. `root` is the repository's. */
export const fingerprintsOf = (
  name: string,
  root: string = here
): Effect.Effect<Fingerprints, SourcesUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const module = join(root, "experiments", name, `${name}.ts`)
      return {
        report: await hashOfModule(root, module, []),
        cell: await hashOfModule(root, module, [withoutPresentation])
      }
    },
    catch: (cause) =>
      new SourcesUnreadable({
        message: `the sources of ${name} could not be read (an experiment is experiments/NAME/NAME.ts): ${reasonOf(cause)}`
      })
  })

/** Tells, whenever it is asked, whether everything that `module` (a path) imports has the text that it has now. */
export const watchSources = (module: string): Effect.Effect<() => boolean, SourcesUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const { files } = await bundled(module, [])
      const text = () => sha256(files.map((file) => sha256(readFileSync(file))).join())
      const before = text()
      return () => text() === before
    },
    catch: (cause) =>
      new SourcesUnreadable({ message: `the sources of ${module} could not be read: ${reasonOf(cause)}` })
  })
