// The report of a survey: for a person the surviving mutants and the totals, for a program every mutant as JSON. The
// score is the share of killed mutants among those that are not known to be equivalent. Mutants that the compiler
// rejects count as killed, because npm run check fails, and are also listed separately.

import { posix } from "node:path"
import { changeOf, type Mutant, nameOf } from "./mutants.ts"
import type { Finding } from "./survey.ts"

export type Findings = ReadonlyMap<Mutant, Finding>

const longest = 160

const shortened = (text: string): string =>
  text.length <= longest ? text : `${text.slice(0, longest - 3)}...`

const notes: Partial<Record<Finding["tag"], (finding: Finding) => string>> = {
  Survived: (finding) => (finding.tag === "Survived" && finding.tests === 0 ? "  (no test runs it)" : "")
}

/** One line per surviving mutant, in the order of the text. */
export const survivors = (findings: Findings): ReadonlyArray<string> =>
  [...findings]
    .filter(([, { tag }]) => tag === "Survived")
    .sort(([one], [other]) =>
      one.path < other.path ? -1 : one.path > other.path ? 1 : one.start - other.start
    )
    .map(
      ([mutant, finding]) =>
        `${mutant.path}:${mutant.line}:${mutant.column}  ${shortened(changeOf(mutant))}` +
        (notes[finding.tag]?.(finding) ?? "")
    )

export interface Totals {
  readonly mutants: number
  readonly killedByTests: number
  readonly killedByTypes: number
  readonly survived: number
  readonly equivalent: number
  /** The killed share of the mutants that are not equivalent; 1 when there are none. */
  readonly score: number
  /** The same for the mutants that compile. */
  readonly scoreOfTests: number
}

const share = (part: number, whole: number): number => (whole === 0 ? 1 : part / whole)

export const totalsOf = (findings: Findings): Totals => {
  const count = (...tags: ReadonlyArray<Finding["tag"]>): number =>
    [...findings.values()].filter(({ tag }) => tags.includes(tag)).length
  const killedByTests = count("Killed")
  const killedByTypes = count("Rejected")
  const survived = count("Survived", "Alive")
  const killed = killedByTests + killedByTypes
  return {
    mutants: findings.size,
    killedByTests,
    killedByTypes,
    survived,
    equivalent: count("Equivalent"),
    score: share(killed, killed + survived),
    scoreOfTests: share(killedByTests, killedByTests + survived)
  }
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

export const totalsLine = (totals: Totals): string =>
  `${totals.mutants} mutants: ${totals.killedByTests} killed by tests, ${totals.killedByTypes} by the compiler, ` +
  `${totals.survived} survived, ${totals.equivalent} equivalent; score ${percent(totals.score)}, ` +
  `${percent(totals.scoreOfTests)} of those that compile`

/** Everything, for programs. */
export const jsonOf = (findings: Findings, seed: string | undefined): string =>
  `${JSON.stringify(
    {
      ...(seed === undefined ? {} : { seed }),
      totals: totalsOf(findings),
      mutants: [...findings].map(([mutant, finding]) => ({
        path: mutant.path,
        line: mutant.line,
        column: mutant.column,
        operator: mutant.operator,
        text: mutant.lineText,
        change: changeOf(mutant),
        occurrence: mutant.occurrence,
        ...finding
      }))
    },
    undefined,
    2
  )}\n`

/** What a report as JSON says of a mutant that was killed or rejected; undefined of any other. */
export const deathsOf = (json: string): ((mutant: Mutant) => Finding | undefined) => {
  const key = (...parts: ReadonlyArray<unknown>): string => JSON.stringify(parts)
  const deaths = new Map<string, Finding>()
  for (const { path, text, change, occurrence, ...finding } of JSON.parse(json).mutants) {
    const { tag, by, why, error } = finding
    const name = key(posix.basename(path), text, change, occurrence)
    if (tag === "Killed") deaths.set(name, { tag, by, why })
    if (tag === "Rejected") deaths.set(name, { tag, error })
  }
  return (mutant) => {
    const { file, line, change } = nameOf(mutant)
    return deaths.get(key(file, line, change, mutant.occurrence))
  }
}
