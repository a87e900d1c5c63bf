// Holds the repository to its architecture. architecture/rules.test.ts proves each rule on made-up sources.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import {
  everyFileIsUsed,
  foldersHaveNoCycles,
  importsExist,
  importsHaveNoCycles,
  layersRunOneWay,
  pureLayersImportNoPlatform,
  rolesMeetByClients
} from "./architecture/import-rules.ts"
import { limitsAreReadByReference, limitsAreUsed, limitsCanBeSet } from "./architecture/limit-rules.ts"
import { readSources, readTexts } from "./architecture/source-files.ts"
import {
  commentsArePlain,
  everyFileHasHeader,
  filesAreShort,
  type LongFile,
  launcherIsOldJavaScript,
  pureLayersAskForEffects,
  testsPrintNothing,
  typesAreHonest
} from "./architecture/source-rules.ts"
import {
  filesHoldWhatIsSaid,
  goldenFilesAreRenewed,
  metricsAreRead,
  namedFilesExist,
  noCompilerLooksAway,
  noPathsOfAMachine,
  nothingIsLeftUndone,
  pagesFit,
  versionsAreExact
} from "./architecture/text-rules.ts"

/** Files that may be longer, each with its own bound and the reason. */
const longFiles: ReadonlyArray<LongFile> = []

const root = join(import.meta.dirname, "..")
const sources = readSources(root)
const texts = readTexts(root)

test("the rules look at every layer", () => {
  for (const layer of ["bin", "src/protocol", "src/roles", "src/runtime-net", "src/runtime-sim", "src/cli"]) {
    expect(sources.filter(({ path }) => path.startsWith(`${layer}/`)).length, layer).toBeGreaterThan(2)
  }
})

const rules = {
  "imports run one way": layersRunOneWay,
  "protocol and roles import no platform": pureLayersImportNoPlatform,
  "imports name files that exist": importsExist,
  "imports have no cycles": importsHaveNoCycles,
  "folders have no cycles": foldersHaveNoCycles,
  "roles meet by their clients": rolesMeetByClients,
  "every file is used": everyFileIsUsed,
  "protocol and roles use no ambient time, randomness or promises": pureLayersAskForEffects,
  "types are not argued away": typesAreHonest,
  "limits are used": limitsAreUsed,
  "limits can be set in a test": limitsCanBeSet,
  "limits are read by reference": limitsAreReadByReference,
  "tests print nothing": testsPrintNothing,
  "every file opens with a header": everyFileHasHeader,
  "comments are plain and fit the page": commentsArePlain,
  "files are short": filesAreShort(longFiles),
  "the launcher is JavaScript that old Nodes read": launcherIsOldJavaScript
}

test.each(Object.entries(rules))("%s", (_, rule) => {
  expect(rule(sources)).toEqual([])
})

test("no compiler is told to look away", () => {
  expect(noCompilerLooksAway(texts)).toEqual([])
})

test("nothing is left undone", () => {
  expect(nothingIsLeftUndone(texts)).toEqual([])
})

test("no path of a machine is written down", () => {
  expect(noPathsOfAMachine(texts)).toEqual([])
})

test("pages fit the page", () => {
  expect(pagesFit(texts)).toEqual([])
})

test("golden files are renewed by one command", () => {
  expect(goldenFilesAreRenewed(texts)).toEqual([])
})

test("pages and comments name files that exist", () => {
  expect(namedFilesExist(texts)).toEqual([])
})

test("files hold what pages say of them", () => {
  expect(filesHoldWhatIsSaid(texts)).toEqual([])
})

test.each(["metric", "setting", "message", "experiment", "backend"])(
  "CONTRIBUTING says what %s touches",
  (what) => {
    const page = texts.find(({ path }) => path === "CONTRIBUTING.md")?.text ?? ""
    const list = new RegExp(`^### An? ${what}\\b[^]*?(?=^##)`, "m").exec(page)?.[0] ?? ""
    expect(list.match(/^- `[\w./-]+` \(`/gm)?.length).toBeGreaterThan(3)
  }
)

test("every metric is read in a test", () => {
  expect(metricsAreRead(texts)).toEqual([])
})

test("versions are exact", () => {
  expect(versionsAreExact(JSON.parse(readFileSync(join(root, "package.json"), "utf8")))).toEqual([])
})
