// Rules about sources: no ambient time, randomness or promises where a world must be able to replace them, a header in
// every file, and a size that a person can read. A rule takes the sources and returns one line per breach, which names
// the replacement.

import { isTest, type Rule } from "./import-rules.ts"
import type { SourceFile } from "./source-files.ts"
import { widestLine } from "./text-rules.ts"
import type { Token } from "./tokens.ts"

interface Ban {
  /** Words, with the signs between them: "Math . random". */
  readonly words: ReadonlyArray<string>
  readonly instead: string
}

const ban = (words: string, instead: string): Ban => ({ words: words.split(" "), instead })

const onTimers = "ask the Timers service (data plane) or Effect.sleep and Schedule (control plane)"
const onEffects = "write an Effect and let the world run it; promises escape the simulator's kernel"

/** What protocol and roles may not use, because a simulated world could not control it. */
const ambient: ReadonlyArray<Ban> = [
  ban("Date", "take the instant as an argument, or ask the Timers service or Effect's Clock"),
  ban("performance", "take the instant as an argument, or ask the Timers service or Effect's Clock"),
  ban("Math . random", "take a RandomSource (src/protocol/kit/random-source.ts)"),
  ban("crypto", "ask the Digests service"),
  ban("setTimeout", onTimers),
  ban("setInterval", onTimers),
  ban("setImmediate", onTimers),
  ban("queueMicrotask", onTimers),
  ban("process", "take it from the role's configuration"),
  ban("console", "use Effect.log"),
  ban("Effect . promise", onEffects),
  ban("Effect . tryPromise", onEffects),
  ban("Effect . runPromise", onEffects),
  ban("Effect . runPromiseExit", onEffects),
  ban("async", onEffects),
  ban("new Promise", onEffects)
]

const everywhere: ReadonlyArray<Ban> = [ban("as any", "say the type, or `unknown` and a check")]

/** Whether the ban's words stand at `index`, as names of their own and not as another's members or keys. */
const stands = (tokens: ReadonlyArray<Token>, index: number, { words }: Ban): boolean => {
  const before = tokens[index - 1]
  const after = tokens[index + words.length]
  if (before?.text === "." && before.kind === "sign" && tokens[index - 2]?.text !== ".") return false
  if (words.length === 1 && after?.kind === "sign" && after.text === ":") return false
  return words.every((word, offset) => {
    const token = tokens[index + offset]
    return token !== undefined && (token.kind === "word" || token.kind === "sign") && token.text === word
  })
}

const breaches = (file: SourceFile, bans: ReadonlyArray<Ban>): ReadonlyArray<string> =>
  bans.flatMap((banned) =>
    file.tokens.flatMap((token, index) =>
      stands(file.tokens, index, banned)
        ? [`${file.path}:${token.line}: ${banned.words.join(" ").replace(" . ", ".")}: ${banned.instead}`]
        : []
    )
  )

const pureLayers = /^(src\/(protocol|roles)|experiments\/strategies|testing\/(protocol|roles|scenarios))\//

/** Protocol, roles and rival strategies know no clock, no randomness, no timers and no promises of the platform. */
export const pureLayersAskForEffects: Rule = (files) =>
  files
    .filter(({ path }) => pureLayers.test(path) && !isTest(path) && !path.endsWith(".d.ts"))
    .flatMap((file) => breaches(file, ambient))

/** No type is cast away by `as any`. */
export const typesAreHonest: Rule = (files) => files.flatMap((file) => breaches(file, everywhere))

const printed = [ban("console", "assert it; if a test cannot run on this machine, say so on process.stderr")]

/** Tests print nothing: what they found is an assertion, and what roles log is shown when a test fails. */
export const testsPrintNothing: Rule = (files) =>
  files.filter(({ path }) => isTest(path)).flatMap((file) => breaches(file, printed))

const shortestHeader = 60

/** Every file opens with a comment that says what it is. */
export const everyFileHasHeader: Rule = (files) =>
  files.flatMap(({ path, text }) => {
    const lines = text.replace(/^#!.*\n/, "").split("\n")
    const end = lines.findIndex((line) => !/^(\/\/|\/\*| \*)/.test(line))
    const header = lines.slice(0, end === -1 ? lines.length : end).join(" ")
    return header.length >= shortestHeader
      ? []
      : [`${path}:1: opens without a header: say in a comment what it is and what it does not know`]
  })

/** Comments fit the page, and a header states what its file is instead of what it "decides". */
export const commentsArePlain: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      if (!/^\s*(\/\/|\/?\*)/.test(line)) return []
      if (line.length > widestLine) {
        return [`${path}:${index + 1}: ${line.length} columns: wrap comments at ${widestLine}`]
      }
      if (/^\/\/ Decides\b/.test(line)) return [`${path}:${index + 1}: "Decides ...": state what the file is`]
      return /refuses? to know/.test(line)
        ? [`${path}:${index + 1}: "refuses to know": write "does not know"`]
        : []
    })
  )

/** Most lines of a file. */
const longestFile = 400

export interface LongFile {
  readonly path: string
  readonly lines: number
  /** Why it is not split by mechanism. */
  readonly reason: string
}

/** Files are short enough to read, except those listed. A list entry that is no longer needed is a breach too. */
export const filesAreShort =
  (listed: ReadonlyArray<LongFile>): Rule =>
  (files) => {
    const sizes = new Map(files.map(({ path, text }) => [path, text.trimEnd().split("\n").length]))
    const long = [...sizes].flatMap(([path, lines]) => {
      const most = listed.find((entry) => entry.path === path)?.lines ?? longestFile
      return lines > most ? [`${path}: ${lines} lines, more than ${most}: split it by mechanism`] : []
    })
    const stale = listed.flatMap(({ path }) =>
      (sizes.get(path) ?? 0) <= longestFile
        ? [`${path}: no longer long: take it off the list of long files`]
        : []
    )
    return [...long, ...stale]
  }

/** Any Node can read the launcher: it uses nothing newer than what Node 12 parses. */
export const launcherIsOldJavaScript: Rule = (files) =>
  files
    .filter(({ path }) => path.startsWith("bin/"))
    .flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index) => {
        const pair = token.kind === "sign" ? `${token.text}${tokens[index + 1]?.text ?? ""}` : ""
        const newer = pair === "?." || pair === "??" || token.text === "await"
        return newer ? [`${path}:${token.line}: ${pair || token.text}: write it as Node 12 reads it`] : []
      })
    )
