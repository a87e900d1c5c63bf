// The files that the architecture rules look at, and the imports of each: static, dynamic and type imports, re-exports,
// and the files named by `new URL("./file", import.meta.url)`, as workers are. Paths are relative to the root of the
// repository, with slashes.

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"
import { type Token, tokensOf } from "./tokens.ts"

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Erased before the program runs. */
  readonly typeOnly: boolean
  readonly line: number
}

export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly tokens: ReadonlyArray<Token>
  readonly imports: ReadonlyArray<Import>
}

const is = (token: Token | undefined, text: string): boolean =>
  token !== undefined && token.kind !== "string" && token.kind !== "template" && token.text === text

/** The string after the `from` that ends the clause beginning at `start`. */
const clauseSource = (tokens: ReadonlyArray<Token>, start: number): Token | undefined => {
  for (let index = start; index < tokens.length; index++) {
    const token = tokens[index]!
    if (is(token, "from") && tokens[index + 1]?.kind === "string") return tokens[index + 1]
    const clause = token.kind === "word" || (token.kind === "sign" && /[{},*]/.test(token.text))
    if (!clause) return undefined
  }
  return undefined
}

const importAt = (token: Token, index: number, tokens: ReadonlyArray<Token>): Import | undefined => {
  const next = tokens[index + 1]
  if (is(tokens[index - 1], ".") || next === undefined) return undefined
  const found = (source: Token | undefined, typeOnly: boolean): Import | undefined =>
    source?.kind === "string" ? { specifier: source.text, typeOnly, line: source.line } : undefined
  if (is(token, "import")) {
    if (next.kind === "string") return found(next, false)
    if (is(next, "(")) return found(tokens[index + 2], false)
    return found(clauseSource(tokens, index + 1), is(next, "type") && !is(tokens[index + 2], "from"))
  }
  if (is(token, "export") && (is(next, "{") || is(next, "*") || is(next, "type"))) {
    return found(clauseSource(tokens, index + 1), is(next, "type"))
  }
  const named = tokens[index + 3]
  const relative =
    is(tokens[index + 4], ",") && is(tokens[index + 5], "import") && named?.text.startsWith(".")
  if (is(token, "new") && is(next, "URL") && is(tokens[index + 2], "(") && relative)
    return found(named, false)
  return undefined
}

/** A file as the rules see it. */
export const sourceFile = (path: string, text: string): SourceFile => {
  const tokens = tokensOf(text)
  const imports = tokens.flatMap((token, index) => importAt(token, index, tokens) ?? [])
  return { path, text, tokens, imports }
}

/** The path that a relative import of `file` names; undefined for packages. */
export const importedPath = (file: SourceFile, { specifier }: Import): string | undefined =>
  specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(file.path), specifier)) : undefined

/** Which files import a path, for every path that is imported; a file that imports it twice is named twice. */
export const importersOf = (files: ReadonlyArray<SourceFile>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const importers = new Map<string, Array<string>>()
  for (const file of files) {
    for (const imported of file.imports) {
      const path = importedPath(file, imported)
      if (path !== undefined) importers.set(path, [...(importers.get(path) ?? []), file.path])
    }
  }
  return importers
}

/**
 * Whether a text of the source names the file, which is no source: by its name, or by its folder when the name is put
 * together (`docs/openapi/${role}.json`).
 */
export const namesFile = (source: SourceFile, path: string): boolean => {
  const { dir, base } = posix.parse(path)
  return source.tokens.some(({ kind, text }) => {
    if (kind !== "string" && kind !== "template") return false
    return text.includes(base) || (kind === "template" && dir.includes("/") && text.includes(`${dir}/`))
  })
}

const filesUnder = (root: string, folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      return ["node_modules", ".git", ".types", ".shoal", "reports"].includes(entry.name)
        ? []
        : filesUnder(root, path)
    }
    return [path]
  })

/** Every TypeScript and JavaScript file of the repository, in order of their paths. */
export const readSources = (root: string): ReadonlyArray<SourceFile> =>
  ["bin", "src", "experiments", "test", "testing"]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => filesUnder(root, folder))
    .filter((path) => /\.(ts|js)$/.test(path))
    .sort()
    .map((path) => sourceFile(path, readFileSync(join(root, path), "utf8")))

/** Every text file of the repository that a person wrote, sources included. */
export const readTexts = (root: string): ReadonlyArray<{ readonly path: string; readonly text: string }> =>
  filesUnder(root, "")
    .filter((path) => /(\.(ts|js|json|md|ya?ml|sh|tpl|txt)|^\.ci\/run|Dockerfile|LICENSE)$/.test(path))
    .filter((path) => path !== "package-lock.json")
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
