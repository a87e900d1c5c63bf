// Decides which sources a result depends on: the experiment's own module (experiments/NAME.ts), every file that it
// imports, directly or by way of others, and the versions of the packages that they name. Two fingerprints: that of a
// cell leaves out what only draws and tells (charts, conclusions), so that finished cells outlive a change of it; that of
// a report has everything. Comments count: a hash does not judge what matters.

import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import { Data, Effect } from "effect"

/** An experiment's sources could not be read. */
export class SourcesUnreadable extends Data.TaggedError("SourcesUnreadable")<{ readonly message: string }> {}

export interface Fingerprints {
  readonly report: string
  readonly cell: string
}

/** The root of the repository. */
const here = dirname(dirname(fileURLToPath(import.meta.url)))

/** Names of files that have no part in measuring. */
const presentation = /(^|-)(charts?|conclusions?|report)(-|\.)/

const importPattern = /\b(?:from|import|URL)\s*\(?\s*"([^"]+)"/g

interface Sources {
  /** Absolute paths. */
  readonly files: ReadonlySet<string>
  readonly packages: ReadonlySet<string>
}

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const sourcesFrom = (module: string, wanted: (file: string) => boolean): Sources => {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file) || !wanted(file)) return
    // A folder that is named, or a file that is only made later, is no source.
    if (file !== module && statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return
    files.add(file)
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(importPattern)) {
      if (specifier!.startsWith(".")) visit(join(dirname(file), specifier!))
      else if (!specifier!.startsWith("node:")) packages.add(packageOf(specifier!))
    }
  }
  visit(module)
  return { files, packages }
}

const hashOf = (root: string, { files, packages }: Sources): string => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const hash = createHash("sha256")
  const named = [...files].map((file) => [relative(root, file).split(sep).join("/"), file] as const).sort()
  for (const [name, file] of named) {
    const text = readFileSync(file)
    hash.update(`${name} ${text.length}\n`).update(text)
  }
  for (const name of [...packages].sort()) hash.update(`${name} ${dependencies[name] ?? ""}\n`)
  return hash.digest("hex").slice(0, 16)
}

/** Of everything that `module` (a path) imports, as it stands on the disk now. Throws when it cannot be read. */
export const fingerprintOfModule = (module: string, root: string = here): string =>
  hashOf(
    root,
    sourcesFrom(module, () => true)
  )

/** Of the experiment `name` as its sources stand on the disk now. `root` is the repository's. */
export const fingerprintsOf = (
  name: string,
  root: string = here
): Effect.Effect<Fingerprints, SourcesUnreadable> =>
  Effect.try({
    try: () => {
      const module = join(root, "experiments", `${name}.ts`)
      const drawn = (file: string) => presentation.test(relative(dirname(module), file))
      return {
        report: fingerprintOfModule(module, root),
        cell: hashOf(
          root,
          sourcesFrom(module, (file) => !drawn(file))
        )
      }
    },
    catch: (cause) =>
      new SourcesUnreadable({
        message: `the sources of ${name} could not be read (an experiment is experiments/NAME.ts): ${String(cause)}`
      })
  })
