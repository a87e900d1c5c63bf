// The launcher and the npm scripts on clones in every state: nothing installed, packages without the runtime,
// packages older than the lock file; and signals and exit codes that pass through. The clones are artificial: the
// real bin/, and a main.ts that reports what happens to it.

import { spawn } from "node:child_process"
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { runToEnd } from "../support/run-program.ts"

const root = join(import.meta.dirname, "..", "..")

/** An old Node of the machine that cannot run the sources, if there is one: what a person may have on PATH. */
const oldNode = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .map((folder) => join(folder, "node"))
  .find((file) => existsSync(file) && realpathSync(file) !== realpathSync(process.execPath))

const main = `// Says what it was given, and how it ends.
const [word] = process.argv.slice(2)
if (word === "wait") {
  process.once("SIGINT", () => { console.log("SIGINT"); process.exit(0) })
  process.once("SIGTERM", () => { console.log("SIGTERM"); process.exit(3) })
  setInterval(() => {}, 1000)
} else if (word === "killed") process.kill(process.pid, "SIGKILL")
else process.exitCode = Number(word)
console.log(process.argv.slice(2).join(" "))
`

let clone: string
/** Process groups of which nothing may outlive its test. */
const groups: Array<number> = []
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "shoal-clone-"))
  cpSync(join(root, "bin"), join(clone, "bin"), { recursive: true })
  cpSync(join(root, "package.json"), join(clone, "package.json"))
  writeFileSync(join(clone, "package-lock.json"), "{}")
  mkdirSync(join(clone, "src", "cli"), { recursive: true })
  writeFileSync(join(clone, "src", "cli", "main.ts"), main)
})
afterEach(() => {
  for (const leader of groups.splice(0)) {
    try {
      process.kill(-leader, "SIGKILL")
    } catch {
      // Nothing of the group is left, which is correct.
    }
  }
  rmSync(clone, { recursive: true, force: true })
})

const installPackages = () => {
  const modules = join(clone, "node_modules")
  mkdirSync(join(modules, "effect"), { recursive: true })
  writeFileSync(join(modules, "effect", "package.json"), "{}")
  writeFileSync(join(modules, ".package-lock.json"), "{}")
}

/** The pinned runtime under another path than the one that runs this test, so that the launcher has to start it. */
const installRuntime = () => {
  const bin = join(clone, "node_modules", "node", "bin")
  mkdirSync(bin, { recursive: true })
  try {
    linkSync(realpathSync(process.execPath), join(bin, "node"))
  } catch {
    // On another file system, a copy works as well.
    cpSync(realpathSync(process.execPath), join(bin, "node"))
  }
}

const shoal = (...args: ReadonlyArray<string>) =>
  runToEnd(process.execPath, [join(clone, "bin", "shoal.js"), ...args])

test("with nothing installed, one line names the command", async () => {
  const { code, stdout, stderr } = await shoal("up")
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr).toMatch(/^shoal: Shoal is not installed in .*: run "npm ci" there, then try again\n$/)
})

test("arguments and the exit code pass through, without output of Node itself", async () => {
  installPackages()
  installRuntime()
  expect(await shoal("7", "--flag", "two words")).toEqual({
    code: 7,
    signal: null,
    stdout: "7 --flag two words\n",
    stderr: ""
  })
})

test("roles have a small space for new objects, an agent the smallest, and nothing else has", async () => {
  installPackages()
  installRuntime()
  writeFileSync(join(clone, "src", "cli", "main.ts"), 'console.log(process.execArgv.join(" "))\n')
  expect((await shoal("agent", "--config", "x")).stdout).toBe("--max-semi-space-size=4\n")
  for (const role of ["herd", "proxy", "origin", "tracker", "build-index"])
    expect((await shoal(role, "--config", "x")).stdout).toBe("--max-semi-space-size=16\n")
  expect((await shoal("experiment", "scale")).stdout).toBe("\n")
})

test("without the pinned runtime, a Node that is new enough runs", async () => {
  installPackages()
  expect(await shoal("0")).toMatchObject({ code: 0, stdout: "0\n", stderr: "" })
})

test("a termination by a signal passes through", async () => {
  installPackages()
  installRuntime()
  expect(await shoal("killed")).toMatchObject({ code: null, signal: "SIGKILL" })
})

test.each([
  ["SIGINT", 0],
  ["SIGTERM", 3]
] as const)("%s is passed on, and the launcher ends like the program", async (signal, code) => {
  installPackages()
  installRuntime()
  const child = spawn(process.execPath, [join(clone, "bin", "shoal.js"), "wait"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let said = ""
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!said.includes("wait\n") && (said + text).includes("wait\n")) child.kill(signal)
    said += text
  })
  expect(await ended).toBe(code)
  expect(said).toBe(`wait\n${signal}\n`)
})

test("with a Node that is too old and no runtime, one line names the command", async () => {
  if (oldNode === undefined) {
    process.stderr.write("skipped: only the pinned Node is on PATH, so none is too old\n")
    return
  }
  installPackages()
  const version = (await runToEnd(oldNode, ["-p", "process.versions.node"])).stdout.trim()
  const { code, stdout, stderr } = await runToEnd(oldNode, [join(clone, "bin", "shoal.js"), "0"])
  if (Number(version.split(".")[0]) >= 24) return
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  const named =
    /^shoal: Shoal needs Node [0-9.]+; this is Node [0-9.]+, .*run "cd .*node_modules\/node && node installArchSpecificPackage\.js"/
  expect(stderr).toMatch(named)
  expect(stderr.split("\n")).toHaveLength(2)
  installRuntime()
  expect(await runToEnd(oldNode, [join(clone, "bin", "shoal.js"), "5"])).toMatchObject({
    code: 5,
    stdout: "5\n",
    stderr: ""
  })
})

/** An npm that records its calls and installs what this test has. */
const fakeNpm = () => {
  // The clone's package.json makes .js a module, and npm is not one.
  const file = join(clone, "npm.cjs")
  writeFileSync(
    file,
    `const fs = require("fs"); const path = require("path")
    fs.appendFileSync(path.join(process.cwd(), "npm-calls"), process.argv.slice(2).join(" ") + "\\n")
    const modules = path.join(process.cwd(), "node_modules")
    fs.mkdirSync(path.join(modules, "effect"), { recursive: true })
    fs.mkdirSync(path.join(modules, ".bin"), { recursive: true })
    fs.writeFileSync(path.join(modules, "effect", "package.json"), "{}")
    fs.writeFileSync(path.join(modules, ".package-lock.json"), "{}")
    process.exitCode = Number(process.env.FAKE_NPM_CODE || 0)`
  )
  return file
}

const npmScript = (env: NodeJS.ProcessEnv, ...args: ReadonlyArray<string>) =>
  runToEnd(process.execPath, [join(clone, "bin", "install-and-run.js"), ...args], {
    cwd: clone,
    env: { ...process.env, ...env }
  })

const calls = () =>
  existsSync(join(clone, "npm-calls")) ? readFileSync(join(clone, "npm-calls"), "utf8") : ""

test("npm scripts install missing packages and those older than the lock file, and say so", async () => {
  const npm = fakeNpm()
  const first = await npmScript({ npm_execpath: npm }, "shoal", "4", "x")
  expect(first).toMatchObject({ code: 4, stdout: "4 x\n" })
  expect(first.stderr).toBe('shoal: node_modules is missing; installing with "npm ci" (about 20 seconds)\n')
  expect(calls()).toBe("ci --no-audit --no-fund --loglevel=error\n")

  expect(await npmScript({ npm_execpath: npm }, "shoal", "0")).toMatchObject({
    code: 0,
    stdout: "0\n",
    stderr: ""
  })
  expect(calls().split("\n")).toHaveLength(2)

  const later = Date.now() / 1000 + 60
  utimesSync(join(clone, "package-lock.json"), later, later)
  const again = await npmScript({ npm_execpath: npm }, "shoal", "0")
  expect(again.stderr).toMatch(/^shoal: node_modules is older than package-lock\.json; /)
  expect(calls().split("\n")).toHaveLength(3)
})

test.each(["start", "shoal", "experiment"])(
  "a signal to the shell of npm run %s reaches shoal",
  async (name) => {
    installPackages()
    const { scripts } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8"))
    // What npm runs, with "wait" as the argument that the script passes on.
    const command = scripts[name].replace(/ (up|experiment)$/, "").concat(" wait")
    const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`
    const child = spawn("sh", ["-c", command], {
      cwd: clone,
      env: { ...process.env, PATH: path },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
    child.stdout.setEncoding("utf8").once("data", () => child.kill("SIGTERM"))
    expect(await ended).toBe(3)
  }
)

test("npm scripts stop when npm fails, and run the programs of packages", async () => {
  const npm = fakeNpm()
  const failed = await npmScript({ npm_execpath: npm, FAKE_NPM_CODE: "9" }, "shoal", "0")
  expect(failed).toMatchObject({ code: 9, stdout: "" })
  expect(failed.stderr).toContain('shoal: "npm ci" failed with exit code 9')

  writeFileSync(join(clone, "program.sh"), '#!/bin/sh\necho "$@"; exit 6\n', { mode: 0o755 })
  symlinkSync(join(clone, "program.sh"), join(clone, "node_modules", ".bin", "program"))
  expect(await npmScript({ npm_execpath: npm }, "program", "a", "b")).toMatchObject({
    code: 6,
    stdout: "a b\n"
  })
  const node = await npmScript({ npm_execpath: npm }, "node", "-p", "process.execPath")
  expect(node.stdout.trim()).toBe(process.execPath)
  installRuntime()
  const pinned = await npmScript({ npm_execpath: npm }, "node", "-p", "process.execPath")
  expect(pinned.stdout.trim()).toBe(realpathSync(join(clone, "node_modules", "node", "bin", "node")))
  const absent = await npmScript({ npm_execpath: npm }, "absent")
  expect(absent.stderr).toMatch(/^shoal: there is no program "absent" in .*: run "npm ci"\n$/)
})
