// The mutants of a source file, and the file with some of them inserted. A mutant is named by its content, not by its
// position: the file's own name, the original line and the change. A mutant therefore keeps its name when files move
// and when lines are added above it, and so do a sample drawn from names and a list of equivalent mutants.

import { createHash } from "node:crypto"
import { posix } from "node:path"
import { isDiagnostic, isForPeople } from "./excluded.ts"
import { type Edit, editsOf } from "./operators.ts"
import { parse, walk } from "./syntax-tree.ts"

export interface Mutant extends Edit {
  /** Relative to the root of the repository, with slashes. */
  readonly path: string
  /** The text that is replaced. */
  readonly original: string
  /** Line and column are counted from 1. */
  readonly line: number
  readonly column: number
  /** The first line that changes, without its indentation. */
  readonly lineText: string
  /** Number of earlier mutants of the file with the same name. */
  readonly occurrence: number
}

export interface MutantName {
  /** The last part of the path. */
  readonly file: string
  /** The original line. */
  readonly line: string
  /** The change, as "original -> replacement". */
  readonly change: string
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

/** "original -> mutant" on one line. */
export const changeOf = ({ original, replacement }: Mutant): string =>
  `${oneLine(original)} -> ${oneLine(replacement) || "(nothing)"}`

export const nameOf = (mutant: Mutant): MutantName => ({
  file: posix.basename(mutant.path),
  line: mutant.lineText,
  change: changeOf(mutant)
})

export const sameName = (one: MutantName, other: MutantName): boolean =>
  one.file === other.file && one.line === other.line && one.change === other.change

/** Every mutant of a file, in the order of the text. */
export const mutantsOf = (path: string, text: string): ReadonlyArray<Mutant> => {
  const edits: Array<Edit> = []
  walk(parse(text), (node, above) => {
    if (isDiagnostic(node, text)) return false
    edits.push(...editsOf(node, above, text))
    // What is pasted into words for people is part of them.
    return node.type !== "TemplateLiteral" || !isForPeople(node, above, text)
  })
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  const seen = new Map<string, number>()
  const done = new Set<string>()
  return edits
    .sort((one, other) => one.start - other.start || one.end - other.end)
    .flatMap((edit) => {
      const original = text.slice(edit.start, edit.end)
      // Two operators may make the same change.
      const key = `${edit.start} ${edit.end} ${edit.replacement}`
      if (done.has(key) || original === edit.replacement) return []
      done.add(key)
      const line = lineStarts.findLastIndex((start) => start <= edit.start) + 1
      const lineText = text.slice(lineStarts[line - 1], lineStarts[line] ?? text.length).trim()
      const mutant = {
        ...edit,
        path,
        original,
        line,
        column: edit.start - lineStarts[line - 1]! + 1,
        lineText
      }
      const name = JSON.stringify(nameOf({ ...mutant, occurrence: 0 }))
      const occurrence = seen.get(name) ?? 0
      seen.set(name, occurrence + 1)
      return [{ ...mutant, occurrence }]
    })
}

/** The order in which `seed` draws mutants. */
const drawKey = (mutant: Mutant, seed: string): string =>
  createHash("sha256")
    .update(JSON.stringify([seed, nameOf(mutant), mutant.occurrence]))
    .digest("hex")

/**
 * A sample of `size` mutants: those whose names hash lowest with the seed. Every mutant has the same chance. A drawn
 * one stays drawn when others come and go, except when a new one displaces it.
 */
export const sampleOf = (mutants: ReadonlyArray<Mutant>, size: number, seed: string): ReadonlyArray<Mutant> =>
  mutants
    .map((mutant) => ({ mutant, key: drawKey(mutant, seed) }))
    .sort((one, other) => (one.key < other.key ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant)

/** The mutants of each file. */
export const byPath = (mutants: ReadonlyArray<Mutant>): ReadonlyMap<string, ReadonlyArray<Mutant>> => {
  const groups = new Map<string, Array<Mutant>>()
  for (const mutant of mutants) groups.set(mutant.path, [...(groups.get(mutant.path) ?? []), mutant])
  return groups
}

/** Whether the two cannot be inserted together. */
export const overlap = (one: Mutant, other: Mutant): boolean =>
  one.path === other.path && one.start < other.end && other.start < one.end

/** The text with the mutants inserted, which must not overlap. */
export const mutate = (text: string, mutants: ReadonlyArray<Mutant>): string => {
  let position = 0
  let mutated = ""
  for (const { start, end, replacement } of mutants.toSorted((one, other) => one.start - other.start)) {
    mutated += text.slice(position, start) + replacement
    position = end
  }
  return mutated + text.slice(position)
}
