// Hash of what a bundled program does, whatever its parts are called and wherever they stand: each top-level statement is
// hashed with local names numbered by the minifier and every top-level name replaced by the hash of what it stands for;
// the program's hash is that of the sorted hashes. Invariants: comments, layout, types, order of statements and names of
// variables do not count; constants, calls, property names, and who refers to whom do. It reads code and runs none.
// The order of side effects at the top level is not seen.

import { createHash } from "node:crypto"
import { minifySync, parseSync } from "rolldown/utils"

type Statement = ReturnType<typeof parseSync>["program"]["body"][number]
type Pattern = Extract<Statement, { type: "VariableDeclaration" }>["declarations"][number]["id"]

/** A top-level statement without names. */
interface Shape {
  /** Its syntax tree as text; top-level names are numbers, by their first appearance. */
  readonly text: string
  /** The top-level names, by these numbers. */
  readonly names: ReadonlyArray<string>
  readonly declares: ReadonlyArray<string>
}

/**
 * How far a reference is followed. All statements are in the hash anyway; this tells statements of one form apart by
 * what they refer to, by what that refers to, and so on.
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

/** The name of a property, which is no reference. */
const isPropertyName = (parent: SyntaxNode, key: string): boolean =>
  (key === "key" || key === "property") && parent.computed !== true

/** What depends on layout, or on whether a variable is called what a property is. */
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
      const refers = type === "Identifier" && topLevel.has(name!) && !isPropertyName(this, key)
      return refers ? numberOf(name!) : value
    }
  )
  return { text, names, declares }
}

/** Of one module's code, bundled; `versionOf` tells what is in the hash for a module that it imports. */
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
  const declared = statements.map(declaredBy)
  const topLevel = new Set([...hashes.keys(), ...declared.flat()])
  const shapes = statements.map(({ start, end }, index) =>
    shapeOf(code.slice(start, end), declared[index]!, topLevel)
  )
  let own: ReadonlyArray<string> = []
  for (let round = 0; round < rounds; round++) {
    own = shapes.map(({ text, names }) => hashOf(text, ...names.map((name) => hashes.get(name) ?? "")))
    for (const [index, { names, declares }] of shapes.entries()) {
      for (const name of declares) hashes.set(name, hashOf(own[index]!, String(names.indexOf(name))))
    }
  }
  return hashOf(...[...new Set(effects)].sort(), ...[...own].sort()).slice(0, 16)
}
