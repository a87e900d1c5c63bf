// Runs a command of an npm script on a clone in any state: installs packages that are missing or older than the lock
// file, then runs the command with the pinned Node first in PATH. Plain JavaScript without dependencies.
//
//   node bin/install-and-run.js COMMAND [ARGUMENT ...]     COMMAND: `shoal`, `node` or a program of node_modules/.bin

import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { findRuntime, installationNeeded, root } from "./installation.js"
import { runChild } from "./run-child.js"

const programs = join(root, "node_modules", ".bin")

const fail = (message, code) => {
  console.error(`shoal: ${message}`)
  process.exit(code === undefined ? 1 : code)
}

const install = (reason) => {
  console.error(`shoal: ${reason}; installing with "npm ci" (about 20 seconds)`)
  const npm = process.env.npm_execpath
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
  const options = { cwd: root, stdio: ["ignore", 2, 2] }
  const done = npm ? spawnSync(process.execPath, [npm, ...args], options) : spawnSync("npm", args, options)
  if (done.error) fail(`cannot run npm: ${done.error.message}`)
  if (done.status !== 0)
    fail(`"npm ci" failed with exit code ${done.status}; its reason is above`, done.status)
}

const run = (command, args, node) => {
  const program = command === "node" ? node : join(programs, command)
  if (!existsSync(program)) fail(`there is no program "${command}" in ${programs}: run "npm ci"`)
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` }
  runChild(program, args, { watched: false, env }, fail)
}

const [command, ...args] = process.argv.slice(2)
if (command === undefined) fail("install-and-run.js needs a command", 2)
const needed = installationNeeded()
if (needed !== undefined) install(needed)
const runtime = findRuntime()
if (runtime.problem !== undefined) fail(runtime.problem)
if (command === "shoal") {
  process.argv.splice(2, 1)
  import("./shoal.js")
} else run(command, args, runtime.node)
