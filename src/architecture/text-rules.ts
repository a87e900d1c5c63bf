// Rules about texts and package.json: no unfinished work, no paths of one machine, no golden file that no command
// renews, no name of a file that does not exist, no metric that no test reads, no line wider than the page; exact
// versions, and a pinned runtime that may install itself.

interface Text {
  readonly path: string
  readonly text: string
}

/** Written in pieces, so that this file does not breach its own rule. */
const undone = new RegExp(
  `\\b(${["TO", "FIX"].map((word, index) => word + ["DO", "ME"][index]).join("|")})\\b`
)
const lookAway = new RegExp(`@ts-(${["ignore", "nocheck", "expect-error"].join("|")})`)
const machinePath = new RegExp(`(^|[\\s"'\`(=:])/(${["work", "home", "root", "Users"].join("|")})/[\\w.-]+`)

const eachLine = (texts: ReadonlyArray<Text>, pattern: RegExp, breach: string): ReadonlyArray<string> =>
  texts.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${breach}`] : []))
  )

/** Missing work is done, or named in docs/gaps.md. */
export const nothingIsLeftUndone = (texts: ReadonlyArray<Text>): ReadonlyArray<string> =>
  eachLine(texts, undone, "a note to self: do it now, or write it down in docs/gaps.md")

/** Errors of the compiler are repaired, not silenced. */
export const noCompilerLooksAway = (texts: ReadonlyArray<Text>): ReadonlyArray<string> =>
  eachLine(
    texts.filter(({ path }) => path.endsWith(".ts")),
    lookAway,
    "the compiler is told to look away: repair the type"
  )

/** The repository works wherever it is cloned. */
export const noPathsOfAMachine = (texts: ReadonlyArray<Text>): ReadonlyArray<string> =>
  eachLine(
    texts,
    machinePath,
    "a path of one machine: use a path relative to the repository or a temporary folder"
  )

/** Most columns of a line of prose or of a comment; the formatter keeps code shorter. */
export const widestLine = 120

/** Pages, workflows and the script of CI fit the page, except tables, fenced code and addresses of links. */
export const pagesFit = (texts: ReadonlyArray<Text>): ReadonlyArray<string> =>
  texts
    .filter(({ path }) => /(\.md|\.ya?ml|^\.ci\/run)$/.test(path))
    .flatMap(({ path, text }) => {
      let fenced = false
      return text.split("\n").flatMap((line, index) => {
        if (/^\s*```/.test(line)) fenced = !fenced
        if (fenced || /^\s*\|/.test(line)) return []
        const columns = line.replace(/\]\([^)]*\)|https?:\S+/g, "").length
        return columns > widestLine ? [`${path}:${index + 1}: ${columns} columns: wrap at ${widestLine}`] : []
      })
    })

const fileSnapshot = `toMatch${"FileSnapshot"}`

/** `npm run golden` finds every golden file by the name of its test. */
export const goldenFilesAreRenewed = (texts: ReadonlyArray<Text>): ReadonlyArray<string> =>
  eachLine(
    texts.filter(({ path }) => path.endsWith(".ts") && !path.endsWith(".golden.test.ts")),
    new RegExp(fileSnapshot),
    "a golden file's test is named x.golden.test.ts, so that `npm run golden` renews it"
  )

const namedFile = /(?<![\w/.-])(?:\.{1,2}\/)?((?:[\w.-]+\/)*[\w.-]*[a-z][\w.-]*\.(?:ts|js|md))\b(?![\w-])/g

/** Names such as NAME.ts and x.test.ts stand for any file of that form. */
const isPlaceholder = (name: string): boolean => /(^|\/)(NAME|x)\b/.test(name)

/** The lines that a person reads: all of a page, and the comments of a source. */
const prose = ({ path, text }: Text): ReadonlyArray<string> =>
  text.split("\n").map((line) => {
    if (path.endsWith(".md")) return line
    return /^\s*(\/\/|\/?\*)/.test(line) ? line : (/\s\/\/ (.*)$/.exec(line)?.[1] ?? "")
  })

/** Every file that a page or a comment names, by the end of its path, exists. */
export const namedFilesExist = (texts: ReadonlyArray<Text>): ReadonlyArray<string> => {
  const known = texts.map(({ path }) => `/${path}`)
  const exists = (name: string): boolean => known.some((path) => path.endsWith(`/${name}`))
  return texts
    .filter(({ path }) => /\.(md|ts|js)$/.test(path) && !path.startsWith("src/architecture/"))
    .flatMap((text) =>
      prose(text).flatMap((line, index) =>
        [...line.matchAll(namedFile)].flatMap(([, name]) =>
          isPlaceholder(name!) || exists(name!)
            ? []
            : [`${text.path}:${index + 1}: ${name} is not there: name the file that is`]
        )
      )
    )
}

const heldName = /`([\w./-]+\.(?:ts|md))` \((`[^)]+`)\)/g

/** What a page says that a file holds, as in "`file.ts` (`name`, `other`)", the file holds. */
export const filesHoldWhatIsSaid = (texts: ReadonlyArray<Text>): ReadonlyArray<string> => {
  const known = new Map(texts.map(({ path, text }) => [path, text]))
  return texts
    .filter(({ path }) => path.endsWith(".md"))
    .flatMap(({ path, text }) =>
      [...text.matchAll(heldName)].flatMap(([, file = "", names = ""]) =>
        [...names.matchAll(/`([^`]+)`/g)].flatMap(([, name = ""]) =>
          known.get(file)?.includes(name) === true
            ? []
            : [`${path}: ${file} does not hold ${name}: say what it holds now`]
        )
      )
    )
}

/** A counter that nobody reads may count anything: each metric of docs/metrics.md is read in a test. */
export const metricsAreRead = (texts: ReadonlyArray<Text>): ReadonlyArray<string> => {
  const page = texts.find(({ path }) => path === "docs/metrics.md")?.text ?? ""
  const tests = texts
    .filter(({ path }) => path.endsWith(".test.ts") || path.startsWith("testing/scenarios/"))
    .map(({ text }) => text)
  return [...page.matchAll(/^\| `(shoal_\w+)`/gm)].flatMap(([, name = ""]) =>
    tests.some((text) => new RegExp(`\\b${name}\\b`).test(text))
      ? []
      : [
          `docs/metrics.md: no test reads ${name}: read it where it changes, as sumOf of testing/roles/metrics.ts does`
        ]
  )
}

export interface PackageManifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly allowScripts: Readonly<Record<string, boolean>>
}

const exactVersion = /^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$/

/** Versions are exact, so that every installation has the same packages. */
export const versionsAreExact = (manifest: PackageManifest): ReadonlyArray<string> => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies }
  const loose = Object.entries(all).flatMap(([name, version]) =>
    exactVersion.test(version)
      ? []
      : [`package.json: ${name} ${version}: name one version, as npm install -E does`]
  )
  // Without a version: npm can match one only against a lock file that holds the registry's addresses.
  const blocked = manifest.allowScripts.node
    ? []
    : ['package.json: allowScripts must hold "node": npm 12 does not install the runtime otherwise']
  return [...loose, ...blocked]
}
