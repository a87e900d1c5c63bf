// Rules about limits: a limit bounds something, a test can set it, and what reads it sees what the test has set. They
// read the tables in the files named limits.ts.

import { isTest, type Rule } from "./import-rules.ts"

const isTable = (path: string): boolean => /^src\/.*\/limits\.ts$/.test(path)

/** The names of a table, each with its line. */
const namesIn = (text: string): ReadonlyArray<readonly [name: string, line: number]> =>
  text.split("\n").flatMap((line, index) => {
    const name = /^ {2}(\w+): /.exec(line)?.[1]
    return name === undefined ? [] : [[name, index + 1] as const]
  })

/** No limit remains whose last user has gone. */
export const limitsAreUsed: Rule = (files) => {
  const used = new Set<string>()
  for (const { path, tokens } of files) {
    if (!path.startsWith("src/") || isTable(path) || isTest(path)) continue
    for (const { kind, text } of tokens) if (kind === "word") used.add(text)
  }
  return files
    .filter(({ path }) => isTable(path))
    .flatMap(({ path, text }) =>
      namesIn(text).flatMap(([name, line]) =>
        used.has(name) ? [] : [`${path}:${line}: nothing reads ${name}: delete it`]
      )
    )
}

/** Set by other means: the protocol's by SwarmRules, those of a configuration by the configuration. */
const setOtherwise: ReadonlyArray<string> = ["src/protocol/limits.ts", "src/roles/config/limits.ts"]

/** Every other table is the default of a reference, which a test replaces. */
export const limitsCanBeSet: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    !isTable(path) || setOtherwise.includes(path) || text.includes("Context.Reference(")
      ? []
      : [`${path}:1: no test can set these: make the table the default of a Context.Reference`]
  )

/**
 * What reads a table as it ships: schemas of a configuration, which sets limits itself; schemas of what roles send each
 * other, because both ends must agree; and the forms of OCI's documents, which every role reads alike.
 */
const asShipped = /^src\/roles\/(config\/|oci\/|.*(config|-wire|-records)\.ts$)/

/** Everything else reads the reference, so that a limit which a test sets counts wherever the limit does. */
export const limitsAreReadByReference: Rule = (files) => {
  const tables = files.flatMap(({ path, text }) =>
    isTable(path) && text.includes("Context.Reference(")
      ? [...text.matchAll(/^export const (\w+) = \{/gm)].map(([, name]) => name)
      : []
  )
  return files
    .filter(({ path }) => path.startsWith("src/") && !isTable(path) && !isTest(path) && !asShipped.test(path))
    .flatMap(({ path, tokens }) =>
      tokens.flatMap(({ kind, text, line }) =>
        kind === "word" && tables.includes(text)
          ? [`${path}:${line}: ${text} is the shipped table: read its reference where the program is made`]
          : []
      )
    )
}
