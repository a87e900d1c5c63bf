#!/usr/bin/env node
// Starts the `shoal` command on whatever Node a machine has: in this process if this Node can run the sources,
// otherwise in a child on the pinned one. Plain JavaScript without dependencies. A missing installation or runtime is
// reported in one line, never as a stack.

import { realpathSync } from "node:fs"
import * as module from "node:module"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { findRuntime, root } from "./installation.js"
import { runChild } from "./run-child.js"

const fail = (message) => {
  console.error(`shoal: ${message}`)
  process.exitCode = 1
}

const runHere = () => {
  // Compiled code is cached between runs, which halves the start-up time. A folder that cannot be written is no error.
  if (module.enableCompileCache) module.enableCompileCache(join(root, "node_modules", ".cache", "shoal"))
  return import(pathToFileURL(join(root, "src", "cli", "main.ts")).href)
}

// A sync holds one of Node's threads for as long as the disk takes, so four of them would hold up every read. Node 24
// reads this variable when it first needs a thread, which is after this line.
if (!process.env.UV_THREADPOOL_SIZE) process.env.UV_THREADPOOL_SIZE = "16"

const runtime = findRuntime()
if (runtime.problem !== undefined) fail(runtime.problem)
else if (realpathSync(runtime.node) === realpathSync(process.execPath)) runHere()
else {
  // MiB for new objects, instead of up to 64: an agent makes little that lives longer than a piece, other roles little
  // that lives longer than a request. They have 50 to 90 MB less and need as much processor time (docs/operations.md).
  // V8 reads this when it starts; src/cli/child-process.ts has it as well.
  const newObjects = { agent: 4, herd: 16, proxy: 16, origin: 16, tracker: 16, "build-index": 16 }
  const space = Object.hasOwn(newObjects, process.argv[2]) ? newObjects[process.argv[2]] : undefined
  const flags = space === undefined ? [] : [`--max-semi-space-size=${space}`]
  const args = [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  runChild(runtime.node, args, { watched: true, env: process.env }, fail)
}
