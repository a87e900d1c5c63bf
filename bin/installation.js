// The state of an installation: the root of the clone, the Node that runs the sources, and whether the packages are
// there and as new as the lock file. Plain JavaScript without dependencies for any Node from 12.20, because it runs
// before anything is installed. Does not know what is run.
//
// Invariant: every problem is one line that names the command which solves it.

import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The clone (or the installed package) that holds this file. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const modules = join(root, "node_modules")

/** The Node that package.json pins. The npm package `node` unpacks it here. */
const pinnedRuntime = join(modules, "node", "bin", process.platform === "win32" ? "node.exe" : "node")

/** The oldest Node that runs the sources as they are: type stripping without a warning, and node:sqlite. */
const oldestRuntime = [24, 12]

const runsSources = (version) => {
  const parts = version.split(".").map(Number)
  return parts[0] > oldestRuntime[0] || (parts[0] === oldestRuntime[0] && parts[1] >= oldestRuntime[1])
}

const changed = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0)

/** Why npm must install first; undefined when node_modules is there and as new as the lock file. */
export const installationNeeded = () => {
  if (!existsSync(modules)) return "node_modules is missing"
  const installed = changed(join(modules, ".package-lock.json"))
  if (installed === 0) return "node_modules is not complete"
  if (installed < changed(join(root, "package-lock.json"))) {
    return "node_modules is older than package-lock.json"
  }
  return undefined
}

/** The Node that runs the sources, or the reason why no Node on this machine can. */
export const findRuntime = () => {
  if (!existsSync(join(modules, "effect", "package.json"))) {
    return { problem: `Shoal is not installed in ${root}: run "npm ci" there, then try again` }
  }
  if (existsSync(pinnedRuntime)) return { node: pinnedRuntime }
  if (runsSources(process.versions.node)) return { node: process.execPath }
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies.node
  return {
    problem:
      `Shoal needs Node ${wanted}; this is Node ${process.versions.node}, and npm did not run the install script of ` +
      `its package "node": run "cd ${join(modules, "node")} && node installArchSpecificPackage.js", then try again`
  }
}
