// A copy of the repository in its own folder, where mutants are inserted and tests run, so that the working copy
// stays unchanged whatever happens to the runner. It has the files that git tracks or would add, as they are on disk,
// and shares node_modules. At any time it has the sources with one set of mutants, or instrumented.

import { execFileSync } from "node:child_process"
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { byPath, type Mutant, mutate } from "./mutants.ts"

export class Sandbox {
  readonly root: string
  readonly #sources: ReadonlyMap<string, string>
  /** Files that differ from their source. */
  readonly #changed = new Set<string>()

  /** `sources` are the texts of all files that have mutants. */
  constructor(repository: string, sources: ReadonlyMap<string, string>) {
    this.root = mkdtempSync(join(tmpdir(), "shoal-mutation-"))
    this.#sources = sources
    const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: repository,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024
    })
    for (const path of listed.split("\0")) {
      if (path === "" || !existsSync(join(repository, path))) continue
      mkdirSync(dirname(join(this.root, path)), { recursive: true })
      copyFileSync(join(repository, path), join(this.root, path))
    }
    // What the compiler knows already, so that it only looks at what changes.
    const types = join(repository, ".types")
    if (existsSync(types)) cpSync(types, join(this.root, ".types"), { recursive: true })
    symlinkSync(join(repository, "node_modules"), join(this.root, "node_modules"))
  }

  /** Replaces these sources by the texts, and restores all others. Returns the changed files. */
  replace(texts: ReadonlyMap<string, string>): ReadonlyArray<string> {
    const before = [...this.#changed].filter((path) => !texts.has(path))
    for (const path of before) this.#write(path, this.#sources.get(path)!)
    this.#changed.clear()
    for (const [path, text] of texts) {
      this.#write(path, text)
      this.#changed.add(path)
    }
    return [...before, ...texts.keys()]
  }

  /** Inserts these mutants, which must not overlap. Returns the changed files. */
  hold(mutants: ReadonlyArray<Mutant>): ReadonlyArray<string> {
    const groups = byPath(mutants)
    return this.replace(
      new Map([...groups].map(([path, group]) => [path, mutate(this.#sources.get(path)!, group)]))
    )
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }

  #write(path: string, text: string): void {
    writeFileSync(join(this.root, path), text)
  }
}
