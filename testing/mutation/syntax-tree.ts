// The syntax tree of a TypeScript source for the mutation operators: ESTree nodes from Vitest's parser, with
// positions in UTF-16 units. The walk skips types, because no test can notice a change to them.

import { parseAst } from "vitest/node"

export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** A node on the path from the root to the current node, and the key of the next one. */
export interface Step {
  readonly node: Node
  readonly key: string
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"

/** The child of `node` under `key`, if there is one. */
export const child = (node: Node, key: string): Node | undefined => {
  const value = node[key]
  return isNode(value) ? value : undefined
}

/** The children of `node` in the list under `key`, without the holes of an array. */
export const children = (node: Node, key: string): ReadonlyArray<Node> => {
  const value = node[key]
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** Throws SyntaxError with the parser's message. */
export const parse = (text: string): Node => {
  const program: unknown = parseAst(text, { lang: "ts" })
  if (!isNode(program)) throw new SyntaxError("the parser gave no tree")
  return program
}

/** Nodes that wrap an expression for the compiler alone. */
const wrappers = new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
  "TSInstantiationExpression"
])

const typeKeys = new Set(["typeAnnotation", "typeParameters", "typeArguments", "returnType", "implements"])

const withoutCode = new Set([
  "ImportDeclaration",
  "ExportAllDeclaration",
  "ExportSpecifier",
  "TemplateElement"
])

/**
 * Visits every node that exists when the program runs, parents first. When `visit` returns false, the children of the
 * node are skipped.
 */
export const walk = (root: Node, visit: (node: Node, path: ReadonlyArray<Step>) => boolean): void => {
  const path: Array<Step> = []
  const enter = (node: Node): void => {
    if (withoutCode.has(node.type) || (node.type.startsWith("TS") && !wrappers.has(node.type))) return
    if (!visit(node, path)) return
    for (const [key, value] of Object.entries(node)) {
      if (typeKeys.has(key)) continue
      path.push({ node, key })
      if (isNode(value)) enter(value)
      else if (Array.isArray(value)) value.filter(isNode).forEach(enter)
      path.pop()
    }
  }
  enter(root)
}

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"])

export const isFunction = (node: Node): boolean => functions.has(node.type)

/** The innermost function around the node at the end of `path`. */
export const functionAround = (path: ReadonlyArray<Step>): Node | undefined =>
  path.findLast(({ node }) => isFunction(node))?.node
