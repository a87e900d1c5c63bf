// The settings of a role, read off its schema: every key with its path, type, meaning, default and former names. What
// --help says, what old keys mean and the table in docs/settings.md come from here, so that the schema alone is kept.

import { type Schema, SchemaAST } from "effect"
import { type Foreign, type Former, notesOn } from "../roles/config/keys.ts"
import { secretTitle } from "../roles/config/secret.ts"

export interface Setting {
  /** "[]" stands for each element of a list. */
  readonly path: ReadonlyArray<string>
  readonly type: string
  readonly meaning: string
  readonly isRequired: boolean
  /** As it would be written; absent where there is none, and where it is nothing but the defaults of the keys below. */
  readonly byDefault?: string
  readonly former: ReadonlyArray<Former>
  readonly foreign: ReadonlyArray<Foreign>
}

const elementOf = (ast: SchemaAST.Arrays): SchemaAST.AST => ast.rest[0]!

const typeOf = (ast: SchemaAST.AST): string => {
  const title = SchemaAST.resolveTitle(ast)
  if (title !== undefined) return title
  if (SchemaAST.isBoolean(ast)) return "true or false"
  if (SchemaAST.isUnion(ast)) return ast.types.map(typeOf).join(", ")
  if (SchemaAST.isLiteral(ast)) return String(ast.literal)
  if (SchemaAST.isArrays(ast)) return `list of ${typeOf(elementOf(ast))}`
  return SchemaAST.isObjects(ast) ? "keys" : "text"
}

const written = (value: unknown): string | undefined => {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(written).join(", ")
  if (typeof value !== "object" || value === null) return String(value)
  const keys = Object.entries(value).map(([key, inner]) => `${key}: ${written(inner)}`)
  return keys.length === 0 ? undefined : `{ ${keys.join(", ")} }`
}

const below = (ast: SchemaAST.AST, path: ReadonlyArray<string>): ReadonlyArray<Setting> => {
  if (SchemaAST.resolveTitle(ast) !== undefined) return []
  if (SchemaAST.isArrays(ast)) return below(elementOf(ast), [...path, "[]"])
  if (!SchemaAST.isObjects(ast)) return []
  return ast.propertySignatures.flatMap(({ name, type }) => {
    const notes = notesOn(type.context?.annotations)
    if (notes === undefined)
      throw new Error(`${[...path, name].join(".")}: a key without a meaning (config/keys.ts)`)
    const { meaning, former, foreign = [], byDefault } = notes
    const own = [...path, String(name)]
    const text = byDefault === undefined ? undefined : written(byDefault)
    const setting: Setting = {
      path: own,
      type: typeOf(type),
      meaning,
      isRequired: byDefault === undefined && type.context?.isOptional !== true,
      ...(text === undefined ? {} : { byDefault: text }),
      former,
      foreign
    }
    return [setting, ...below(type, own)]
  })
}

/** In the order of the schema, each before what is below it. */
export const settingsOf = (schema: Schema.Constraint): ReadonlyArray<Setting> => below(schema.ast, [])

/** Keys that hold a secret beside them or below: what stands there is shown to nobody. */
export const holdsSecret = (settings: ReadonlyArray<Setting>, path: ReadonlyArray<string>): boolean => {
  const pattern = path.map((key) => (/^\d+$/.test(key) ? "[]" : key))
  return settings.some(({ type, path: secret }) => {
    const shared = Math.min(pattern.length, secret.length - 1)
    return type === secretTitle && secret.slice(0, shared).every((key, index) => key === pattern[index])
  })
}

export const settingAt = (
  settings: ReadonlyArray<Setting>,
  path: ReadonlyArray<string>
): Setting | undefined =>
  settings.find(
    (setting) => setting.path.length === path.length && setting.path.every((key, i) => key === path[i])
  )

/** What is given here in place of a key of other roles; undefined for any other key. */
export const instead = (
  settings: ReadonlyArray<Setting>,
  path: ReadonlyArray<string>
): string | undefined => {
  const beside = settings.filter(
    (setting) => setting.path.slice(0, -1).join(".") === path.slice(0, -1).join(".")
  )
  return beside.flatMap(({ foreign }) => foreign).find(({ key }) => key === path.at(-1))?.instead
}
