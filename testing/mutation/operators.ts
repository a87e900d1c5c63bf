// The mutation operators: for a node of the syntax tree, the texts that may replace it. An operator makes a small
// change that a test should notice, and none that another one already makes: replacing a condition by true or false
// covers its negation and the removal of the guarded code. Operators do not know types; the compiler rejects mutants
// that do not compile.

import { calleeName, isDiagnostic, isForPeople } from "./excluded.ts"
import { child, children, functionAround, isFunction, type Node, type Step } from "./syntax-tree.ts"

export interface Edit {
  readonly operator: string
  readonly start: number
  readonly end: number
  readonly replacement: string
}

type Replace = (operator: string, node: Node, ...replacements: ReadonlyArray<string>) => void

interface Place {
  readonly node: Node
  readonly path: ReadonlyArray<Step>
  /** The whole source. */
  readonly text: string
  readonly replace: Replace
}

type Operator = (place: Place) => void

const source = ({ text }: Place, node: Node): string => text.slice(node.start, node.end)

const compound =
  /^(Binary|Logical|Conditional|Assignment|Sequence|Yield|Await|Unary|ArrowFunction|TSAs|TSSatisfies)Expression$/

/** The node's text in a form that may stand anywhere in an expression. A node does not include its own brackets. */
const operand = (place: Place, node: Node): string =>
  compound.test(node.type) ? `(${source(place, node)})` : source(place, node)

const isTest = ({ path }: Place): boolean => path.at(-1)?.key === "test"

const condition: Operator = (place) => {
  const { node, replace } = place
  if (!isTest(place) || node.type === "Literal") return
  const chooses = ["IfStatement", "ConditionalExpression"].includes(place.path.at(-1)!.node.type)
  // A loop whose condition is always true usually hangs, which says nothing about the tests.
  replace("condition", node, ...(chooses ? ["true", "false"] : ["false"]))
}

/** First the neighbour at the boundary, then the opposite. */
const relations: Readonly<Record<string, ReadonlyArray<string>>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="]
}

const arithmetic: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "**": "*",
  "<<": ">>",
  ">>": "<<",
  ">>>": "<<",
  "&": "|",
  "|": "&",
  "^": "&"
}

const isText = (node: Node | undefined): boolean =>
  node?.type === "TemplateLiteral" || (node?.type === "Literal" && typeof node.value === "string")

const binary: Operator = (place) => {
  const { node, replace } = place
  if (node.type !== "BinaryExpression") return
  const left = child(node, "left")!
  const right = child(node, "right")!
  const operator = String(node.operator)
  const swap = (name: string, other: string): void => {
    // The operator comes first between the operands, apart from comments and brackets.
    const between = place.text.slice(left.end, right.start)
    const before = place.text.slice(node.start, left.end)
    replace(
      name,
      node,
      before + between.replace(operator, () => other) + place.text.slice(right.start, node.end)
    )
  }
  const related = relations[operator]
  if (related !== undefined) {
    const boundary = related.length === 2
    if (boundary) swap("boundary", related[0]!)
    // For conditions, true and false cover the opposite.
    if (!isTest(place)) swap("comparison", related.at(-1)!)
  } else if (arithmetic[operator] !== undefined && !isText(left) && !isText(right)) {
    swap("arithmetic", arithmetic[operator])
  }
}

const logical: Operator = (place) => {
  const { node, replace } = place
  if (node.type !== "LogicalExpression") return
  const left = child(node, "left")!
  const right = child(node, "right")!
  if (node.operator === "??") return replace("default", node, operand(place, left), operand(place, right))
  const other = node.operator === "&&" ? "||" : "&&"
  const between = place.text.slice(left.end, right.start).replace(String(node.operator), () => other)
  const swapped = place.text.slice(node.start, left.end) + between + place.text.slice(right.start, node.end)
  replace("logical", node, `(${swapped})`, operand(place, left), operand(place, right))
}

const unary: Operator = (place) => {
  const { node, replace } = place
  const argument = child(node, "argument")
  if (argument === undefined) return
  if (node.type === "UnaryExpression" && ["!", "-", "~"].includes(String(node.operator))) {
    if (node.operator === "!" && isTest(place)) return
    replace("unary", node, operand(place, argument))
  }
  if (node.type === "UpdateExpression") {
    const other = node.operator === "++" ? "--" : "++"
    replace(
      "update",
      node,
      node.prefix === true ? other + source(place, argument) : source(place, argument) + other
    )
  }
}

const assignments: Readonly<Record<string, string>> = {
  "+=": "-=",
  "-=": "+=",
  "*=": "/=",
  "/=": "*=",
  "??=": "=",
  "&=": "|=",
  "|=": "&="
}

const assignment: Operator = (place) => {
  const { node, text, replace } = place
  const other = assignments[String(node.operator)]
  if (node.type !== "AssignmentExpression" || other === undefined || isText(child(node, "right"))) return
  const left = child(node, "left")!
  const right = child(node, "right")!
  const between = text.slice(left.end, right.start).replace(String(node.operator), () => other)
  replace("assignment", node, source(place, left) + between + text.slice(right.start, node.end))
}

const isKey = ({ path }: Place): boolean => {
  const last = path.at(-1)
  return last?.key === "key" && last.node.computed !== true
}

/** Above this value, a number is a size or a duration, in which one more does not show. */
const largestCount = 16

/** Whether a number is a size in other units, `8 * KiB`, or a duration, `seconds(8)`. */
const isQuantity = ({ node, path, text }: Place): boolean => {
  const parent = path.at(-1)?.node
  if (parent?.type === "BinaryExpression") return parent.operator === "*"
  const unit = /(^|\.)(micros|millis|seconds|minutes|hours|days|milliseconds|microseconds)$/
  return parent?.type === "CallExpression" && unit.test(calleeName(parent, text)) && node.type === "Literal"
}

const literal: Operator = (place) => {
  const { node, path, text, replace } = place
  if (isKey(place)) return
  if (node.type === "TemplateLiteral") {
    const tagged = path.at(-1)?.node.type === "TaggedTemplateExpression"
    if (!tagged && !isForPeople(node, path, text)) replace("string", node, '""')
    return
  }
  if (node.type !== "Literal") return
  const value = node.value
  if (typeof value === "boolean") replace("boolean", node, String(!value))
  if (typeof value === "string" && path.at(-1)?.node.type !== "ExpressionStatement") {
    if (!isForPeople(node, path, text)) replace("string", node, value === "" ? '"mutant"' : '""')
  }
  if (typeof value === "number") {
    if (value === 0 || value === 1) return replace("number", node, String(1 - value))
    replace("number", node, "0")
    const counts = Number.isInteger(value) && value <= largestCount && !isQuantity(place)
    if (counts) replace("number", node, String(value + 1))
  }
  if (typeof value === "bigint") replace("number", node, value === 0n ? "1n" : "0n")
}

const collection: Operator = ({ node, path, replace }) => {
  if (node.type === "ArrayExpression" && children(node, "elements").length > 0)
    replace("empty array", node, "[]")
  const argumentOfNew = path.at(-1)?.node.type === "NewExpression"
  if (node.type === "ObjectExpression" && children(node, "properties").length > 0 && !argumentOfNew) {
    replace("empty object", node, "{}")
  }
}

const methods = new Map(
  Object.entries({
    min: "max",
    max: "min",
    floor: "ceil",
    ceil: "floor",
    round: "floor",
    some: "every",
    every: "some",
    push: "unshift",
    unshift: "push",
    pop: "shift",
    shift: "pop",
    startsWith: "endsWith",
    endsWith: "startsWith",
    find: "findLast",
    findLast: "find",
    indexOf: "lastIndexOf",
    lastIndexOf: "indexOf"
  })
)

/** Calls that return their receiver, changed. Without the call, the receiver remains. */
const refinements = new Set([
  "filter",
  "slice",
  "subarray",
  "sort",
  "toSorted",
  "reverse",
  "toReversed",
  "trim",
  "toLowerCase",
  "toUpperCase"
])

const call: Operator = (place) => {
  const { node, text, replace } = place
  if (node.type !== "CallExpression") return
  const callee = child(node, "callee")!
  const property = callee.type === "MemberExpression" ? child(callee, "property") : undefined
  const receiver = child(callee, "object")
  if (property !== undefined && receiver !== undefined) {
    const name = source(place, property)
    const other = methods.get(name)
    if (other !== undefined) {
      replace(
        "method",
        node,
        text.slice(node.start, property.start) + other + text.slice(property.end, node.end)
      )
    }
    if (refinements.has(name)) replace("refinement", node, operand(place, receiver))
  }
  const name = calleeName(node, text)
  const steps = children(node, "arguments").slice(name === "pipe" ? 1 : 0)
  if (name !== "pipe" && !name.endsWith(".pipe")) return
  for (const step of steps) {
    if (isDiagnostic(step, text)) continue
    const rest = steps.filter((other) => other !== step).map((other) => source(place, other))
    const before = text.slice(node.start, steps[0]!.start)
    const left = rest.length === 0 && receiver !== undefined
    replace("pipe step", node, left ? operand(place, receiver) : `${before}${rest.join(", ")})`)
  }
}

const statement: Operator = ({ node, path, text, replace }) => {
  if (node.type === "ExpressionStatement") {
    const expression = child(node, "expression")!
    if (expression.type === "Literal" || isDiagnostic(expression, text)) return
    const inList = ["BlockStatement", "Program", "SwitchCase"].includes(path.at(-1)?.node.type ?? "")
    replace("statement", node, inList ? "" : "{}")
  }
  const leaves = node.type === "ContinueStatement" || node.type === "BreakStatement"
  if (leaves && path.at(-1)?.node.type === "BlockStatement") replace("statement", node, "")
}

const returnsValue = (block: Node): boolean => {
  const found = (node: unknown): boolean => {
    if (Array.isArray(node)) return node.some(found)
    if (typeof node !== "object" || node === null) return false
    const { type } = node as Node
    if (type === "ReturnStatement") return child(node as Node, "argument") !== undefined
    return type !== undefined && isFunction(node as Node) ? false : Object.values(node).some(found)
  }
  return found(block.body)
}

const emptied = new Set(["ForOfStatement", "ForInStatement", "CatchClause", "TryStatement"])

const block: Operator = ({ node, path, replace }) => {
  const parent = path.at(-1)
  if (parent === undefined) return
  if (node.type === "BlockStatement" && children(node, "body").length > 1) {
    const whole = isFunction(parent.node)
    // The block of a try is not emptied, because its statements are.
    if ((whole || (emptied.has(parent.node.type) && parent.key !== "block")) && !returnsValue(node)) {
      replace("block", node, "{}")
    }
  }
  const callback = parent.node.type === "ArrowFunctionExpression" && parent.key === "body"
  const acts = ["CallExpression", "AssignmentExpression", "UpdateExpression"].includes(node.type)
  if (callback && acts && parent.node.returnType == null) replace("callback", node, "{}")
}

/** Values that fit a return type as written, and that differ usefully from the correct one. */
const valuesOf = (type: string): ReadonlyArray<string> => {
  if (type === "boolean") return ["true", "false"]
  if (/^(number|Micros|Millis)$/.test(type)) return ["0"]
  if (type === "string") return ['""']
  if (/^(Readonly)?Array<[^|]*>$|\[\]$/.test(type)) return ["[]"]
  if (/\| undefined$/.test(type)) return ["undefined"]
  return []
}

const returned: Operator = (place) => {
  const { node, path, text, replace } = place
  const parent = path.at(-1)
  if (parent === undefined) return
  const whole = parent.key === "argument" && parent.node.type === "ReturnStatement"
  if (!whole && !(parent.key === "body" && parent.node.type === "ArrowFunctionExpression")) return
  const annotation = child(functionAround(path) ?? parent.node, "returnType")
  if (node.type === "BlockStatement" || annotation === undefined) return
  const now = source(place, node)
  const type = text.slice(annotation.start, annotation.end).replace(/^:\s*/, "")
  // The operators of literals, negations and comparisons already make these mutants.
  if (node.type === "Literal" || now === "undefined" || now === "[]") return
  replace("return", node, ...valuesOf(type))
}

const operators: ReadonlyArray<Operator> = [
  condition,
  binary,
  logical,
  unary,
  assignment,
  literal,
  collection,
  call,
  statement,
  block,
  returned
]

/** Every edit of the node itself. */
export const editsOf = (node: Node, path: ReadonlyArray<Step>, text: string): ReadonlyArray<Edit> => {
  const edits: Array<Edit> = []
  const replace: Replace = (operator, { start, end }, ...replacements) => {
    for (const replacement of replacements) edits.push({ operator, start, end, replacement })
  }
  for (const operator of operators) operator({ node, path, text, replace })
  return edits
}
