// The commands of the README work as written: each one either runs here, with only ports and folders replaced by
// those of the test, or is listed with the test that runs it. A new command fails until one of both is done.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { runToEnd } from "../support/run-program.ts"

const root = join(import.meta.dirname, "..", "..")
const readme = readFileSync(join(root, "README.md"), "utf8")

const { installationNeeded }: { readonly installationNeeded: () => string | undefined } = await import(
  join(root, "bin", "installation.js")
)

let folder: string
beforeAll(() => {
  // The commands would install the packages, while other tests use them.
  const problem = installationNeeded()
  if (problem !== undefined) throw new Error(`${problem}: run "npm ci", then try again`)
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-readme-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const blocks = (language: string): ReadonlyArray<string> =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map((match) => match[1]!)

/** The commands of the README, without their comments. */
const commands = blocks("sh")
  .flatMap((block) => block.split("\n"))
  .map((line) => line.replace(/\s+#.*$/, "").trim())
  .filter((line) => line !== "")

const run = (line: string, ...more: ReadonlyArray<string>) => {
  const [program, ...args] = line.split(" ")
  return runToEnd(program!, [...args, ...more], { cwd: root, within: 60_000 })
}

const covered: Readonly<Record<string, () => Promise<void>>> = {
  // test/processes/up.test.ts and launcher.test.ts check that it gets ready and that Ctrl-C stops it.
  "npm start": async () => {
    const { code, stdout, stderr } = await run("npm start -- --help")
    expect(code, stderr).toBe(0)
    for (const flag of ["--agents", "--data", "--port-base"]) expect(stdout).toContain(flag)
  },
  "npm run experiment": async () => {
    const { code, stdout, stderr } = await run("npm run experiment")
    expect(code, stderr).toBe(0)
    expect(stdout).toContain("first-wave")
  },
  "npm run experiment -- first-wave --agents 50 --size 16MiB --out my-report": async () => {
    const out = join(folder, "my-report")
    const { code, stdout, stderr } = await run(
      `npm run experiment -- first-wave --agents 50 --size 16MiB --out ${out}`
    )
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/trace hash [0-9a-f]{16}/)
  },
  "npx shoal agent --config agent.yaml": async () => {
    const [yaml] = blocks("yaml")
    const file = join(folder, "agent.yaml")
    // Everything in it is right except one key, which must end the process before it opens anything.
    writeFileSync(file, `${yaml}mistyped: 1\n`)
    const { code, stderr } = await run(`npx shoal agent --config ${file}`)
    expect(code).not.toBe(0)
    expect(stderr).toContain(`${file}: mistyped: unknown key`)
    expect(stderr).not.toContain(";")
  }
}

/** Commands that other tests run, and where. */
const elsewhere: ReadonlyArray<readonly [RegExp, string]> = [
  [/^skopeo copy /, "test/clients/clients.test.ts"],
  [/^docker pull /, "test/clients/clients.test.ts"],
  [/^curl -s http:\/\/127\.0\.0\.1:16000\/metrics/, "test/processes/up.test.ts"],
  [/^npm run experiment -- first-wave$/, "experiments/first-wave/first-wave.test.ts"],
  // The small version of every experiment is repeated and compared, as in npm run reports:verify.
  [/^npm run experiment -- kraken-benchmark --quick$/, ".ci/run"],
  [/^npx shoal origin --config /, "test/processes/role-process.test.ts"]
]

describe("the commands of the README", () => {
  test.each(commands)("%s", { timeout: 120_000 }, async (command) => {
    const here = covered[command]
    if (here !== undefined) {
      await here()
      return
    }
    const place = elsewhere.find(([pattern]) => pattern.test(command))
    expect(place, `"${command}" is run by no test: run it here, or say which test does`).toBeDefined()
    expect(readFileSync(join(root, place![1]), "utf8").length).toBeGreaterThan(0)
  })
})
