// Code that is not mutated although it runs: texts for people, and names that only diagnostics show, because a test
// could only repeat them. Those are log calls, spans and annotations, texts of messages and invariants, and the names
// of services and of tagged classes. Invariants are excluded completely: a correct program never violates one, so a
// weaker one cannot show, and a program that violates one fails anyway.

import { child, children, type Node, type Step } from "./syntax-tree.ts"

const diagnostics =
  /^Effect\.(log\w*|annotateLogs|annotateSpans|annotateCurrentSpan|withSpan|withLogSpan|withParentSpan)$/

/** The first string argument of these is a name. */
const naming =
  /^(Context\.\w+|Data\.Tagged\w+|Schema\.(Tagged\w+|Class|Opaque|brand)|Effect\.fn|Metric\.\w+)$/

/** The callee of a call as written, without the calls in it: `Context.Service<A>()("a")` gives `Context.Service`. */
export const calleeName = (call: Node, text: string): string => {
  let callee = child(call, "callee")
  while (callee?.type === "CallExpression") callee = child(callee, "callee")
  return callee === undefined ? "" : text.slice(callee.start, callee.end).replace(/<.*$/s, "")
}

const isCall = (node: Node): boolean => node.type === "CallExpression" || node.type === "NewExpression"

/** Whether the node is an invariant or writes a log, alone, as a step of a pipe or with steps of its own. */
export const isDiagnostic = (node: Node, text: string): boolean => {
  if (node.type === "YieldExpression" || node.type === "AwaitExpression") {
    const argument = child(node, "argument")
    return argument !== undefined && isDiagnostic(argument, text)
  }
  if (node.type !== "CallExpression") return false
  const name = calleeName(node, text)
  if (/^Effect\.(andThen|tap)$/.test(name)) {
    const [step] = children(node, "arguments")
    const effect = step?.type === "ArrowFunctionExpression" ? child(step, "body") : step
    return effect !== undefined && isDiagnostic(effect, text)
  }
  const callee = child(node, "callee")
  const piped = callee?.type === "MemberExpression" && /\.pipe$/.test(text.slice(callee.start, callee.end))
  const inner = piped ? child(callee, "object") : undefined
  return name === "invariant" || diagnostics.test(name) || (inner !== undefined && isDiagnostic(inner, text))
}

/** Words with spaces between them are for people. */
const prose = /[A-Za-z,;:]{2,} +[a-z`'"(]|[a-z]{2,} $|^ [a-z]{2,}/

const wordsOf = (node: Node): string =>
  node.type === "Literal"
    ? String(node.value)
    : children(node, "quasis")
        .map((quasi) => (quasi.value as { readonly raw: string }).raw)
        .join("x")

/** Whether a string or template is for people: prose, the message of an error, or a name that diagnostics show. */
export const isForPeople = (node: Node, path: ReadonlyArray<Step>, text: string): boolean => {
  if (prose.test(wordsOf(node))) return true
  const parent = path.at(-1)
  if (parent === undefined) return false
  if (parent.node.type === "Property") {
    const key = child(parent.node, "key")
    if (key !== undefined && /^(message|description|help)$/.test(text.slice(key.start, key.end))) return true
  }
  if (isCall(parent.node) && parent.key === "arguments") {
    const first = children(parent.node, "arguments")[0] === node
    const name = calleeName(parent.node, text)
    if ((first && naming.test(name)) || /Error$/.test(name)) return true
  }
  return path.some(({ key }) => key === "superClass")
}
