// Fingerprints of the code that a result depends on. The module of an experiment (experiments/NAME/NAME.ts) is bundled
// with all its imports, and the bundle is hashed without names, places and comments (program-hash.ts), but with the
// contents of the files that it names by URL and the versions of the packages that it imports. The fingerprint of a
// report covers everything. That of a cell leaves out modules that only present (charts, conclusions, answers), so that
// finished cells stay valid when those change. What the bundler drops as unused does not count.

import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { basename, dirname, isAbsolute, join } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"
import { Data, Effect } from "effect"
import { type Plugin, rolldown } from "rolldown"
import { programHash } from "./program-hash.ts"

/** The sources of an experiment cannot be read. */
export class SourcesUnreadable extends Data.TaggedError("SourcesUnreadable")<{ readonly message: string }> {}

export interface Fingerprints {
  readonly report: string
  readonly cell: string
}

/** The root of the repository. */
const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Names of files that take no part in measuring. */
const presentation = /(^|-)(charts?|conclusions?|answers?|report)(-|\.)/

const isPackage = (specifier: string): boolean => !specifier.startsWith(".") && !isAbsolute(specifier)

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex")

const presentationModule = "presentation:"

/** Treats modules that only present as external. */
const withoutPresentation: Plugin = {
  name: "without-presentation",
  resolveId: (specifier) =>
    !isPackage(specifier) && presentation.test(basename(specifier))
      ? { id: presentationModule, external: true }
      : undefined
}

const urlPattern = /new URL\(\s*"(\.[^"]+)"\s*,\s*import\.meta\.url\s*\)/g

/**
 * Replaces files that are named by URL: a module (of a worker) is imported, any other file is replaced by the hash of
 * its contents. A folder or a missing file stays a name.
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

/** The code of `module` (a path) with all its imports except packages, and the files that were read. */
const bundled = async (module: string, plugins: ReadonlyArray<Plugin>) => {
  const bundle = await rolldown({
    input: module,
    external: isPackage,
    platform: "node",
    plugins: [...plugins, filesByUrl],
    // Where a constant is declared must make no difference.
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

/** The reason in one line: the first two lines of the bundler's message; the others draw the place. */
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

/** Fingerprints of the experiment `name` from its sources on the disk. `root` is the root of the repository. */
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
        message: `the sources of ${name} cannot be read (an experiment is experiments/NAME/NAME.ts): ${reasonOf(cause)}`
      })
  })

/** Gives a check whether `module` (a path) and all its imports still have the same text. */
export const watchSources = (module: string): Effect.Effect<() => boolean, SourcesUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const { files } = await bundled(module, [])
      const text = () => sha256(files.map((file) => sha256(readFileSync(file))).join())
      const before = text()
      return () => text() === before
    },
    catch: (cause) =>
      new SourcesUnreadable({ message: `the sources of ${module} cannot be read: ${reasonOf(cause)}` })
  })
