// Reads the configuration of a role: a YAML or JSON file, then flags over it, then the schema of the role, which
// refuses unknown keys. Every problem is one line with its source (the file or the flag), its path and the reason. It
// knows no role: each has its schema in its own config.ts.

import { readFileSync } from "node:fs"
import { Effect, Schema, SchemaIssue } from "effect"
import { Yaml } from "effect/encoding"
import { CliFailure } from "./cli-failure.ts"
import { withPresentNames } from "./former-keys.ts"
import { holdsSecret, instead, settingsOf } from "./settings.ts"

/** A value that a flag gives, at its place in the configuration. */
export interface Override {
  /** As typed, with the dashes. */
  readonly flag: string
  readonly path: ReadonlyArray<string>
  readonly value: unknown
}

type Keys = Record<string, unknown>

const isKeys = (value: unknown): value is Keys =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const reasonOf = (error: unknown): string => {
  const code = (error as { readonly code?: unknown }).code
  if (code === "ENOENT") return "there is no such file"
  if (code === "EISDIR") return "it is a folder, not a file"
  if (code === "EACCES") return "it may not be read"
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n", 1)
  // Parsers quote the text around the wrong character, which may be a secret.
  return line.replace(/, .* is not valid JSON$/, "").replace(/'[*&!][^']*'/g, "...")
}

/** JSON.parse keeps the last of two equal keys in silence. YAML contains JSON, and its parser refuses them. */
const parseJson = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  try {
    Yaml.parse(text)
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("Duplicate key")) throw error
  }
  return value
}

/**
 * The file's content as plain data; `.json` is JSON, anything else YAML. An empty file has no keys. Some editors begin
 * a file with a byte order mark, which JSON does not know.
 */
export const readConfigFile = (file: string): Effect.Effect<Keys, CliFailure> =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => readFileSync(file, "utf8").replace(/^\uFEFF/, ""),
      catch: (error) => new CliFailure({ message: `cannot read ${file}: ${reasonOf(error)}` })
    })
    const parsed = yield* Effect.try({
      try: (): unknown => (file.endsWith(".json") ? parseJson(text) : Yaml.parse(text)),
      catch: (error) =>
        new CliFailure({
          message: `${file}: not ${file.endsWith(".json") ? "JSON" : "YAML"}: ${reasonOf(error)}`
        })
    })
    if (parsed === null || parsed === undefined) return {}
    if (!isKeys(parsed)) {
      return yield* new CliFailure({
        message: `${file}: expected keys and values, got ${Array.isArray(parsed) ? "a list" : "a single value"}`
      })
    }
    return parsed
  })

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return "a list"
  if (isKeys(value)) return "keys and values"
  // Credentials in a URL or a name, where none belong.
  return JSON.stringify(value)?.replace(/^"(\w+:\/\/)?.*@/, '"$1...@') ?? "nothing"
}

const put = (keys: Keys, path: ReadonlyArray<string>, value: unknown): Keys => {
  const [first, ...rest] = path as [string, ...Array<string>]
  if (rest.length === 0) return { ...keys, [first]: value }
  const inner = keys[first]
  return { ...keys, [first]: put(isKeys(inner) ? inner : {}, rest, value) }
}

const at = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null ? (inner as Keys)[key as string] : undefined,
    value
  )

const describe = (
  issue: { readonly path: ReadonlyArray<PropertyKey>; readonly message: string },
  value: unknown,
  isSecret: boolean
) => {
  const key = issue.path.map(String).join(".") || "the whole"
  if (issue.message === "Expected no excess property") return `${key}: unknown key`
  if (value === undefined) return `${key}: missing`
  const expected = issue.message.charAt(0).toLowerCase() + issue.message.slice(1)
  return `${key}: ${expected.replaceAll("\n", " ")}, got ${isSecret ? "what is not shown" : kindOf(value)}`
}

const covers = (override: Override, path: ReadonlyArray<PropertyKey>): boolean =>
  override.path.every((key, index) => path[index] === key)

/**
 * Decodes a configuration. `file` is only named; `flagFor` names the flag that would give a missing key, for the
 * message.
 */
export const decodeConfig = <Config>(
  schema: Schema.ConstraintDecoder<Config>,
  file: string | undefined,
  keys: Keys,
  overrides: ReadonlyArray<Override>,
  flagFor: (path: ReadonlyArray<PropertyKey>) => string | undefined
): Effect.Effect<Config, CliFailure> => {
  const settings = settingsOf(schema)
  const named = withPresentNames(keys, settings)
  const prefix = file === undefined ? "" : `${file}: `
  if (named.problems.length > 0) {
    return new CliFailure({ message: named.problems.map((problem) => `${prefix}${problem}`).join("; ") })
  }
  const raw = overrides.reduce((merged, { path, value }) => put(merged, path, value), named.keys)
  return Schema.decodeUnknownEffect(schema)(raw, { onExcessProperty: "error", errors: "all" }).pipe(
    Effect.mapError((error) => {
      const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(error.issue)
      const problems = issues.map(({ path = [], message }) => {
        const plain = path.map((key) => (typeof key === "object" ? key.key : key))
        const flagGiven = overrides.find((override) => covers(override, plain))?.flag
        const written = flagGiven === undefined ? named.writtenAt(plain.map(String)) : plain
        const problem = describe(
          { path: written, message },
          at(raw, plain),
          holdsSecret(settings, plain.map(String))
        )
        const other = problem.endsWith(": unknown key") ? instead(settings, plain.map(String)) : undefined
        const why = other === undefined ? "" : `: ${other}`
        const source = flagGiven ?? file
        const flag = problem.endsWith(": missing") ? flagFor(plain) : undefined
        const hint = flag === undefined ? "" : ` (give it in ${file ?? "a --config file"} or by ${flag})`
        return `${source === undefined ? "" : `${source}: `}${problem}${why}${hint}`
      })
      return new CliFailure({ message: problems.join("; ") })
    })
  )
}
