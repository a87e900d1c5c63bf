// Each architecture rule finds what it is for, in sources made up here, and accepts what is right.

import { expect, test } from "vitest"
import {
  everyFileIsUsed,
  foldersHaveNoCycles,
  importsExist,
  importsHaveNoCycles,
  layersRunOneWay,
  pureLayersImportNoPlatform,
  rolesMeetByClients
} from "./import-rules.ts"
import { limitsAreReadByReference, limitsAreUsed, limitsCanBeSet } from "./limit-rules.ts"
import { sourceFile } from "./source-files.ts"
import {
  commentsArePlain,
  everyFileHasHeader,
  filesAreShort,
  launcherIsOldJavaScript,
  pureLayersAskForEffects,
  testsPrintNothing,
  typesAreHonest
} from "./source-rules.ts"
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
} from "./text-rules.ts"
import { tokensOf } from "./tokens.ts"

const made = (sources: Readonly<Record<string, string>>) =>
  Object.entries(sources).map(([path, text]) => sourceFile(path, text))

const specifiers = (text: string) =>
  sourceFile("src/roles/a.ts", text).imports.map(({ specifier }) => specifier)

test("tokens: comments vanish, strings, templates and regular expressions are one token each", () => {
  const text = [
    "const a = 1 // Date.now()",
    "/* Math.random() */ const b = 'setTimeout' + `x $" + '{c + "}" + `in $' + "{d}`} y`",
    'const r = /[/"]Date/.test(a) ? a / b / c : "\\" Date"'
  ].join("\n")
  const words = tokensOf(text).filter(({ kind }) => kind === "word")
  expect(words.map((token) => token.text).join(" ")).toBe("const a 1 const b c d const r test a a b c")
  expect(words.at(-1)?.line).toBe(3)
})

test("imports: every form is seen, quoted examples are not", () => {
  expect(specifiers('import { a,\n b } from "./a.ts"\nimport type { C } from "./c.ts"')).toEqual([
    "./a.ts",
    "./c.ts"
  ])
  expect(specifiers('import "./side.ts"\nimport D, * as e from "./d.ts"')).toEqual(["./side.ts", "./d.ts"])
  expect(
    specifiers('export * from "./f.ts"\nexport { g } from "./g.ts"\nexport type { H } from "./h.ts"')
  ).toEqual(["./f.ts", "./g.ts", "./h.ts"])
  expect(specifiers('const i = () => import("./i.ts")')).toEqual(["./i.ts"])
  expect(specifiers('new Worker(new URL("./j.ts", import.meta.url))')).toEqual(["./j.ts"])
  expect(specifiers('const k = `import "./k.ts"`; const l = "from"; export const m = "./m.ts"')).toEqual([])
  expect(sourceFile("a.ts", 'import type { C } from "./c.ts"').imports[0]?.typeOnly).toBe(true)
})

test("imports that run up or across the layers are named", () => {
  const breaches = layersRunOneWay(
    made({
      "src/protocol/a.ts": 'import { b } from "../roles/b.ts"',
      "src/runtime-net/c.ts": 'import type { d } from "../runtime-sim/d.ts"',
      "src/runtime-sim/e.ts": 'const e = () => import("../../experiments/e.ts")',
      "src/roles/f.ts": 'import { g } from "../protocol/g.ts"\nimport { h } from "./deep/h.ts"',
      "src/cli/i.ts": 'import { j } from "../../experiments/j.ts"\nimport { k } from "../runtime-net/k.ts"',
      "experiments/l.ts": 'import { m } from "../src/cli/m.ts"',
      "src/other/n.ts": 'import { o } from "../roles/o.ts"'
    })
  )
  expect(breaches.map((breach) => breach.split(" (")[0])).toEqual([
    "src/protocol/a.ts:1: protocol must not import roles",
    "src/runtime-net/c.ts:1: runtime-net must not import runtime-sim",
    "src/runtime-sim/e.ts:1: runtime-sim must not import experiments",
    "experiments/l.ts:1: experiments must not import cli",
    "src/other/n.ts:1: the folder other is in no layer: name it in import-rules.ts"
  ])
})

test("tests may import test support, the product may not", () => {
  const text = 'import { a } from "../../testing/roles/a.ts"'
  expect(
    layersRunOneWay(made({ "src/roles/b.test.ts": text, "src/roles/c.ts": text })).map(
      (breach) => breach.split(" (")[0]
    )
  ).toEqual(["src/roles/c.ts:1: roles must not import testing"])
})

test("protocol imports no package, roles none but effect; tests may", () => {
  expect(
    pureLayersImportNoPlatform(
      made({
        "src/protocol/a.ts": 'import { Effect } from "effect"',
        "src/protocol/a.test.ts": 'import { test } from "vitest"',
        "src/roles/b.ts": 'import { c } from "node:fs"\nimport ws from "ws"\nimport { d } from "effect/http"'
      })
    ).map((breach) => breach.split(":", 2).join(":"))
  ).toEqual(["src/protocol/a.ts:1", "src/roles/b.ts:1", "src/roles/b.ts:2"])
})

test("imports without a file are named", () => {
  const files = made({
    "src/cli/a.ts": 'import "./b.ts"\nimport "./c"\nimport "../../package.json"',
    "src/cli/b.ts": ""
  })
  expect(importsExist(files)).toHaveLength(1)
  expect(importsExist(files)[0]).toContain("./c does not name a file")
})

test("cycles are named with their files", () => {
  expect(
    importsHaveNoCycles(
      made({
        "src/roles/a.ts": 'import { b } from "./b.ts"',
        "src/roles/b.ts": 'import { type b, c } from "./c.ts"',
        "src/roles/c.ts": 'import { a } from "./a.ts"\nimport { d } from "./d.ts"',
        "src/roles/d.ts": ""
      })
    )
  ).toEqual([
    expect.stringContaining("cycle src/roles/a.ts -> src/roles/b.ts -> src/roles/c.ts -> src/roles/a.ts")
  ])
})

test("the import of a type closes a cycle too", () => {
  const circle = {
    "src/roles/a.ts": 'import type { b } from "./b.ts"',
    "src/roles/b.ts": 'import { a } from "./a.ts"'
  }
  expect(importsHaveNoCycles(made(circle))).toHaveLength(1)
})

test("folders in a circle are named with the imports that close it", () => {
  const sources = {
    "src/roles/high/a.ts": 'import { b } from "../low/b.ts"',
    "src/roles/low/b.ts": "",
    "src/roles/low/c.ts": 'import type { d } from "../high/d.ts"',
    "src/roles/low/c.test.ts": 'import { a } from "../high/a.ts"',
    "src/roles/high/d.ts": ""
  }
  expect(foldersHaveNoCycles(made(sources))).toEqual([
    "src/roles/high: folders in a circle: src/roles/high/a.ts imports src/roles/low/b.ts; " +
      "src/roles/low/c.ts imports src/roles/high/d.ts: move what they share down"
  ])
  expect(foldersHaveNoCycles(made({ ...sources, "src/roles/low/c.ts": "" }))).toEqual([])
})

test("roles that reach into one another are named; a herd, a client and a test may", () => {
  const breaches = rolesMeetByClients(
    made({
      "src/roles/agent/a.ts":
        'import type { b } from "../origin/b.ts"\nimport "../client/b.ts"\nimport "./c.ts"',
      "src/roles/agent/a.test.ts": 'import { b } from "../origin/b.ts"',
      "src/roles/herd/d.ts": 'import { b } from "../origin/b.ts"'
    })
  )
  expect(breaches).toEqual([
    "src/roles/agent/a.ts:1: the role agent imports src/roles/origin/b.ts: ask the role origin by its client in src/roles/client/"
  ])
})

test("files that nothing but their test imports are named", () => {
  expect(
    everyFileIsUsed(
      made({
        "src/cli/main.ts": 'import "./used.ts"',
        "src/cli/used.ts": "",
        "src/cli/alone.ts": "",
        "src/cli/tested.ts": "",
        "src/cli/tested.test.ts": 'import "./tested.ts"\nimport "../../testing/scenarios/world.ts"',
        "testing/scenarios/world.ts": ""
      })
    )
  ).toEqual([
    "src/cli/alone.ts: nothing imports it: use it or delete it",
    "src/cli/tested.ts: only tests import it: use it or delete both"
  ])
})

test.each([
  ["Date.now()", "Date"],
  ["new Date()", "Date"],
  ["Math.random()", "Math.random"],
  ["setTimeout(f, 1)", "setTimeout"],
  ["setImmediate(f)", "setImmediate"],
  ["crypto.subtle", "crypto"],
  ["Effect.promise(f)", "Effect.promise"],
  ["Effect.tryPromise(f)", "Effect.tryPromise"],
  ["Effect.runPromise(f)", "Effect.runPromise"],
  ["const f = async () => 1", "async"],
  ["new Promise(f)", "new Promise"],
  ["const all = [...process.argv]", "process"]
])("ambient %s is named with its replacement", (code, name) => {
  for (const path of ["src/protocol/a.ts", "src/roles/a.ts", "experiments/strategies/a.ts"]) {
    const [breach, ...more] = pureLayersAskForEffects(made({ [path]: `// Date.now()\n${code}` }))
    expect(more).toEqual([])
    expect(breach).toMatch(new RegExp(`^${path}:2: ${name.replace(".", "\\.")}: .{20}`))
  }
  expect(
    pureLayersAskForEffects(made({ "src/runtime-net/a.ts": code, "src/roles/a.test.ts": code }))
  ).toEqual([])
})

test("members and keys of the same names are no breach", () => {
  const text = "const a = { crypto: 1, Date: 2 }; a.crypto + a.process; Math.floor(1); Effect.succeed(1)"
  expect(pureLayersAskForEffects(made({ "src/roles/a.ts": text }))).toEqual([])
})

test("types that are argued away are named", () => {
  expect(
    typesAreHonest(made({ "src/cli/a.ts": "const a = (b as any).c", "src/cli/b.ts": '"as any"' }))
  ).toEqual([expect.stringContaining("src/cli/a.ts:1: as any")])
})

test("tests that print are named, programs that they start in text are not", () => {
  const files = made({
    "src/cli/a.test.ts": "console.log(1)",
    "src/cli/a.ts": "console.log(1)",
    "test/b.ts": "const program = 'console.log(1)'; const { console } = globalThis.console"
  })
  expect(testsPrintNothing(files)).toEqual([
    expect.stringContaining("src/cli/a.test.ts:1: console"),
    expect.stringContaining("test/b.ts:1: console")
  ])
})

test("limits that nothing reads, and tables that no test can set, are named", () => {
  const files = made({
    "src/roles/agent/limits.ts": "export const agentLimits = {\n  /** Used. */\n  most: 1,\n  never: 2\n}",
    "src/roles/agent/agent.ts": "use(limits.most)",
    "src/roles/agent/agent.test.ts": "use(limits.never)",
    "src/roles/proxy/limits.ts": "Context.Reference(name)",
    "src/protocol/limits.ts": "export const limits = {}"
  })
  expect(limitsAreUsed(files)).toEqual(["src/roles/agent/limits.ts:4: nothing reads never: delete it"])
  expect(limitsCanBeSet(files)).toEqual([expect.stringContaining("src/roles/agent/limits.ts:1: no test")])
})

test("shipped limits are read only where both ends or a configuration agree on them", () => {
  const table = "export const askLimits = { most: 1 }\nexport const AskLimits = Context.Reference(name)"
  const files = made({
    "src/roles/client/limits.ts": table,
    "src/roles/config/limits.ts": "export const configLimits = {}",
    ...Object.fromEntries(
      [
        "client/a.ts",
        "client/a-wire.ts",
        "client/a-records.ts",
        "agent/config.ts",
        "oci/a.ts",
        "a.test.ts"
      ].map((path) => [`src/roles/${path}`, "use(AskLimits, configLimits)\nuse(askLimits)"])
    )
  })
  expect(limitsAreReadByReference(files)).toEqual([
    expect.stringContaining("src/roles/client/a.ts:2: askLimits is the shipped table")
  ])
})

test("a file without a header is named; a shebang may come first", () => {
  const header =
    "// Decides something that takes more than a few words to say, so that it is worth reading.\n"
  expect(
    everyFileHasHeader(
      made({
        "a.ts": `${header}export {}`,
        "b.ts": "// short\nexport {}",
        "c.ts": "export {}",
        "d.js": `#!/usr/bin/env node\n${header}`
      })
    ).map((breach) => breach.slice(0, 4))
  ).toEqual(["b.ts", "c.ts"])
})

test("wide comments, and headers by formula, are named; code is the formatter's matter", () => {
  const wide = `// ${"x".repeat(120)}`
  const files = made({
    "a.ts": `${wide}\nconst a = "${"x".repeat(200)}"\n * ok`,
    "b.ts": `// ${"Decides"} what is what.\n// It ${"refuses"} to know more.`
  })
  expect(commentsArePlain(files).map((breach) => breach.split(":").slice(0, 2).join(":"))).toEqual([
    "a.ts:1",
    "b.ts:1",
    "b.ts:2"
  ])
})

test("long files are named, and list entries that are no longer needed", () => {
  const files = made({ "a.ts": "x\n".repeat(401), "b.ts": "x\n".repeat(400), "c.ts": "x\n".repeat(450) })
  expect(filesAreShort([{ path: "c.ts", lines: 450, reason: "made up" }])(files)).toEqual([
    "a.ts: 401 lines, more than 400: split it by mechanism"
  ])
  expect(filesAreShort([{ path: "b.ts", lines: 450, reason: "made up" }])(files)).toContain(
    "b.ts: no longer long: take it off the list of long files"
  )
})

test("newer JavaScript in the launcher is named", () => {
  const text = 'const a = b?.c\nconst d = e ?? 1\nawait f()\nconst g = h ? 1 : 2 // ok?.ok\n"x??y"'
  expect(launcherIsOldJavaScript(made({ "bin/a.js": text })).map((breach) => breach.slice(0, 10))).toEqual([
    "bin/a.js:1",
    "bin/a.js:2",
    "bin/a.js:3"
  ])
})

test("lines of pages that are too wide are named, but not tables, fenced code and addresses of links", () => {
  const wide = "word ".repeat(25)
  const text = [wide, `| ${wide} |`, "```sh", wide, "```", `see [it](https://${"x".repeat(150)})`].join("\n")
  const texts = ["a.md", "b.yml", ".ci/run", "c.ts"].map((path) => ({ path, text }))
  expect(pagesFit(texts)).toEqual([
    "a.md:1: 125 columns: wrap at 120",
    "b.yml:1: 125 columns: wrap at 120",
    ".ci/run:1: 125 columns: wrap at 120"
  ])
})

test("compilers that are told to look away are named", () => {
  const comment = `// ${["@ts", "ignore"].join("-")}`
  expect(noCompilerLooksAway([{ path: "a.ts", text: `fine\n${comment}` }])).toEqual([
    expect.stringContaining("a.ts:2")
  ])
})

test("notes to self and paths of a machine are named", () => {
  const note = `// ${["TO", "DO"].join("")}: later`
  expect(nothingIsLeftUndone([{ path: "a.md", text: `fine\n${note}` }])).toEqual([
    expect.stringContaining("a.md:2")
  ])
  const path = ["", "home", "someone", "shoal"].join("/")
  expect(noPathsOfAMachine([{ path: "a.md", text: `see "${path}"` }])).toHaveLength(1)
  expect(noPathsOfAMachine([{ path: "a.md", text: "see ~/home and https://example.org/work/x" }])).toEqual([])
})

test("a golden file that no command renews is named", () => {
  const text = `expect(a).toMatch${"FileSnapshot"}("./a.json")`
  expect(goldenFilesAreRenewed([{ path: "src/a.test.ts", text }])).toHaveLength(1)
  expect(goldenFilesAreRenewed([{ path: "src/a.golden.test.ts", text }])).toEqual([])
})

test("a metric that no test reads is named", () => {
  const page = "| `shoal_a_total` | counter |\n| `shoal_a` | gauge |"
  const texts = [
    { path: "docs/metrics.md", text: page },
    { path: "src/a.test.ts", text: 'sumOf(text, "shoal_a_total")' },
    { path: "src/a.ts", text: '"shoal_a"' }
  ]
  expect(metricsAreRead(texts)).toEqual([expect.stringContaining("no test reads shoal_a:")])
})

test("pages and comments that name files which are not there are named", () => {
  const texts = [
    {
      path: "README.md",
      text: "see `src/cli/up.ts`, cli/down.ts, up.ts, x.test.ts and experiments/NAME/NAME.ts"
    },
    {
      path: "src/cli/up.ts",
      text: '// See gone.ts.\nimport "./quoted.ts" // as in left.ts\nconst a = "other.ts"'
    }
  ]
  expect(namedFilesExist(texts).map((breach) => breach.split(" is ")[0])).toEqual([
    "README.md:1: cli/down.ts",
    "src/cli/up.ts:1: gone.ts",
    "src/cli/up.ts:2: left.ts"
  ])
})

test("loose versions and a runtime that npm would block are named", () => {
  expect(
    versionsAreExact({
      dependencies: { node: "24.21.0", ws: "^8.0.0" },
      devDependencies: { vitest: "5.1.1" },
      allowScripts: { "node@24.21.0": true }
    })
  ).toEqual([expect.stringContaining("ws ^8.0.0"), expect.stringContaining('allowScripts must hold "node"')])
})
test("pages that say of a file what it does not hold are named", () => {
  const texts = [
    { path: "src/a.ts", text: "export const a = 1" },
    { path: "a.md", text: "- `src/a.ts` (`const a`): here\n- `src/a.ts` (`a`,\n  `b`), `src/c.ts` (`c`)" }
  ]
  expect(filesHoldWhatIsSaid(texts)).toEqual([
    "a.md: src/a.ts does not hold b: say what it holds now",
    "a.md: src/c.ts does not hold c: say what it holds now"
  ])
})
