// Finds the test files that reach each mutant. Sources are instrumented by block: code that enters a block writes the
// block's number into a file of the running test file, so that processes which a test starts count too. Code that
// runs while modules load counts for every test file that imports the module, because modules are loaded once for
// many test files.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Mutant } from "./mutants.ts"
import { folderVariable, testVariable } from "./reach-environment.ts"
import { type Node, parse, walk } from "./syntax-tree.ts"

interface Block {
  readonly start: number
  readonly end: number
  readonly head: string
  readonly tail: string
}

const blocksOf = (root: Node): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  walk(root, (node, path) => {
    const parent = path.at(-1)
    if (node.type === "BlockStatement") {
      blocks.push({ start: node.start + 1, end: node.end, head: "{reached};", tail: "" })
    } else if (parent?.key === "body" && parent.node.type === "ArrowFunctionExpression") {
      blocks.push({ start: node.start, end: node.end, head: "({reached},", tail: ")" })
    } else if (node.type === "SwitchCase") {
      const first = (node.consequent as ReadonlyArray<Node>)[0]
      if (first !== undefined) {
        blocks.push({ start: first.start, end: node.end, head: "{reached};", tail: "" })
      }
    }
    return true
  })
  return blocks
}

/**
 * Uses Node's own function, so that layers which may import nothing need no import. It is one line, so that lines
 * stay.
 */
const prelude =
  `const mutationReached = (globalThis.mutationReached ??= ((seen, fs) => (number) => {` +
  `const test = process.env.${testVariable} ?? "loading";` +
  `const key = test + " " + number;` +
  `if (seen.has(key) || process.env.${folderVariable} === undefined) return;` +
  `seen.add(key);` +
  `fs.appendFileSync(process.env.${folderVariable} + "/" + test, number + "\\n")` +
  `})(new Set(), process.getBuiltinModule("node:fs")));`

/**
 * The text that reports the blocks of these mutants, and each mutant's block. Numbers begin at `first`. A mutant
 * without a block runs while the module loads.
 */
export const instrument = (
  text: string,
  mutants: ReadonlyArray<Mutant>,
  first: number
): { readonly text: string; readonly blocks: ReadonlyMap<Mutant, number> } => {
  const blocks = blocksOf(parse(text))
  const used = new Map<Block, number>()
  const numbers = new Map<Mutant, number>()
  for (const mutant of mutants) {
    // The innermost block that contains the whole mutant. An emptied body is its function's body.
    const around = blocks
      .filter(({ start, end }) => start - 1 <= mutant.start && mutant.end <= end)
      .sort((one, other) => one.end - one.start - (other.end - other.start))[0]
    if (around === undefined) continue
    const number = used.get(around) ?? first + used.size
    used.set(around, number)
    numbers.set(mutant, number)
  }
  const insertions = [...used].flatMap(([{ start, end, head, tail }, number]) => [
    { position: start, text: head.replace("{reached}", `mutationReached(${number})`) },
    ...(tail === "" ? [] : [{ position: end, text: tail }])
  ])
  let instrumented = text
  // From the end, so that earlier positions stay valid.
  for (const { position, text: inserted } of insertions.sort((one, other) => other.position - one.position)) {
    instrumented = instrumented.slice(0, position) + inserted + instrumented.slice(position)
  }
  return { text: prelude + instrumented, blocks: numbers }
}

export interface Reached {
  /** Numbers by test file, in the order of the test files' numbers. */
  readonly byTest: ReadonlyArray<ReadonlySet<number>>
  readonly whileLoading: ReadonlySet<number>
}

/** The numbers that instrumented sources left in the folder, for test files numbered from 0. */
export const readReached = (folder: string, tests: number): Reached => {
  const files = new Set(readdirSync(folder))
  const read = (name: string): ReadonlySet<number> =>
    new Set(files.has(name) ? readFileSync(join(folder, name), "utf8").trim().split("\n").map(Number) : [])
  return {
    byTest: Array.from({ length: tests }, (_, test) => read(String(test))),
    whileLoading: read("loading")
  }
}
