// Hash of what a bundled program does, independent of names and places. Each top-level statement is hashed, with local
// names numbered by the minifier and every top-level name replaced by the hash of what it refers to; the hash of the
// program is that of the sorted hashes. Invariants: comments, layout, types, the order of statements and names of
// variables do not count; constants, calls, property names and references do. The order of side effects at the top
// level does not count either. It reads code and runs none.

import { createHash } from "node:crypto"
import { minifySync, parseSync } from "rolldown/utils"

type Statement = ReturnType<typeof parseSync>["program"]["body"][number]
type Pattern = Extract<Statement, { type: "VariableDeclaration" }>["declarations"][number]["id"]

/** A top-level statement without names. */
interface Shape {
  /** The syntax tree as text; top-level names are numbers in the order of their first appearance. */
  readonly text: string
  /** The top-level names in that order. */
  readonly names: ReadonlyArray<string>
  readonly declares: ReadonlyArray<string>
}

/**
 * How many references in a row are followed. All statements are in the hash anyway; the rounds distinguish statements
 * of the same form by what they refer to, by what that refers to, and so on.
 */
const rounds = 4

const hashOf = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex")

const namesIn = (pattern: Pattern): ReadonlyArray<string> => {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name]
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        namesIn(property.type === "RestElement" ? property.argument : property.value)
      )
    case "ArrayPattern":
      return pattern.elements.flatMap((element) =>
        element === null ? [] : namesIn(element.type === "RestElement" ? element.argument : element)
      )
    case "AssignmentPattern":
      return namesIn(pattern.left)
  }
}

const declaredBy = (statement: Statement): ReadonlyArray<string> => {
  if (statement.type === "VariableDeclaration") return statement.declarations.flatMap(({ id }) => namesIn(id))
  if (statement.type !== "FunctionDeclaration" && statement.type !== "ClassDeclaration") return []
  return statement.id === null ? [] : [statement.id.name]
}

interface SyntaxNode {
  readonly type?: string
  readonly name?: string
  readonly computed?: boolean
}

/** Whether an identifier is the name of a property, which is no reference. */
const isPropertyName = (parent: SyntaxNode, key: string): boolean =>
  (key === "key" || key === "property") && parent.computed !== true

/** Keys of the tree that depend on layout, or on whether a variable has the name of a property. */
const meaningless = new Set(["start", "end", "shorthand"])

const shapeOf = (code: string, declares: ReadonlyArray<string>, topLevel: ReadonlySet<string>): Shape => {
  const minified = minifySync("statement.js", code, {
    module: true,
    compress: false,
    mangle: { toplevel: false }
  })
  const names: Array<string> = []
  const numberOf = (name: string): number => {
    const known = names.indexOf(name)
    return known === -1 ? names.push(name) - 1 : known
  }
  const text = JSON.stringify(
    parseSync("statement.js", minified.code).program.body,
    function (this: SyntaxNode, key, value) {
      if (meaningless.has(key)) return undefined
      if (typeof value === "bigint") return `${value}n`
      const { type, name }: SyntaxNode = value ?? {}
      const refers = type === "Identifier" && name !== undefined && !isPropertyName(this, key)
      return refers && topLevel.has(name) ? numberOf(name) : value
    }
  )
  return { text, names, declares }
}

/** Hash of the bundled code of one module; `versionOf` gives what stands in the hash for a module that it imports. */
export const programHash = (code: string, versionOf: (specifier: string) => string): string => {
  const { program } = parseSync("program.js", code)
  const hashes = new Map<string, string>()
  const effects: Array<string> = []
  const statements: Array<Statement> = []
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration") {
      const source = versionOf(statement.source.value)
      effects.push(source)
      for (const specifier of statement.specifiers) {
        const imported = code.slice(
          ...(specifier.type === "ImportSpecifier"
            ? [specifier.imported.start, specifier.imported.end]
            : [specifier.start, specifier.local.start])
        )
        hashes.set(specifier.local.name, hashOf(source, imported))
      }
    } else if (statement.type !== "ExportNamedDeclaration") statements.push(statement)
  }
  const topLevel = new Set([...hashes.keys(), ...statements.flatMap(declaredBy)])
  const shapes = statements.map((statement) =>
    shapeOf(code.slice(statement.start, statement.end), declaredBy(statement), topLevel)
  )
  let own: ReadonlyArray<string> = []
  for (let round = 0; round < rounds; round++) {
    const hashed = shapes.map((shape) => ({
      ...shape,
      hash: hashOf(shape.text, ...shape.names.map((name) => hashes.get(name) ?? ""))
    }))
    for (const { names, declares, hash } of hashed) {
      for (const name of declares) hashes.set(name, hashOf(hash, String(names.indexOf(name))))
    }
    own = hashed.map(({ hash }) => hash)
  }
  return hashOf(...[...new Set(effects)].sort(), ...[...own].sort()).slice(0, 16)
}
