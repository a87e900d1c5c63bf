// Finds the mutants that the compiler rejects: npm run check kills those before any test runs. Mutants of many files
// are inserted together, and those whose files have errors once more alone. Complaints about the form alone, such as
// a name that nothing reads any more, kill nothing, because nobody would make that mistake and leave them. For the
// same reason the linter, which reports a condition that is the word `true`, kills nothing here.

import { spawn } from "node:child_process"
import { join } from "node:path"
import { byPath, type Mutant } from "./mutants.ts"
import type { Sandbox } from "./sandbox.ts"

/** Unused names, imports and labels; code that is never reached. */
const formOnly = /error TS(6133|6138|6192|6196|6198|6199|7027|7028)\b/

/** The errors in tsc's output, one per line, without those about the form. */
export const typeErrors = (output: string): ReadonlyArray<string> =>
  output.split("\n").filter((line) => /^\S.*: error TS\d+/.test(line) && !formOnly.test(line))

/**
 * The compiler's errors in the sandbox as it is. A stop ends the compiler with its children, and the promise settles
 * when none of them writes any more.
 */
const compile = (root: string, stop: AbortSignal): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    stop.throwIfAborted()
    const compiler = spawn(join(root, "node_modules", ".bin", "tsc"), ["-b", "--pretty", "false"], {
      cwd: root,
      // The process group is its own, so that a kill reaches the program behind the launcher.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const kill = (): void => {
      if (compiler.pid !== undefined) process.kill(-compiler.pid, "SIGKILL")
    }
    stop.addEventListener("abort", kill, { once: true })
    let [stdout, stderr] = ["", ""]
    compiler.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    compiler.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    const fail = (why: string): void => reject(new Error(`tsc fails: ${why}`))
    compiler.once("error", ({ message }) => fail(message))
    compiler.once("close", (code) => {
      stop.removeEventListener("abort", kill)
      if (code !== 0 && stdout === "") fail(stderr.trim() || `exit code ${code}`)
      else resolve(typeErrors(stdout))
    })
  })

/** Groups with one mutant of a file each, so that an error in the file most likely belongs to that mutant. */
const onePerFile = (mutants: ReadonlyArray<Mutant>): ReadonlyArray<ReadonlyArray<Mutant>> => {
  const groups: Array<Array<Mutant>> = []
  for (const ofFile of byPath(mutants).values()) {
    for (const [index, mutant] of ofFile.entries()) groups[index] = [...(groups[index] ?? []), mutant]
  }
  return groups
}

/**
 * The mutants that do not compile, each with its first error. A mutant is rejected only for errors that it has alone.
 */
export const rejectedByTypes = async (
  mutants: ReadonlyArray<Mutant>,
  sandbox: Sandbox,
  onProgress: (text: string) => void,
  stop: AbortSignal
): Promise<ReadonlyMap<Mutant, string>> => {
  const rejected = new Map<Mutant, string>()
  let judged = 0
  const errorsOf = (group: ReadonlyArray<Mutant>): Promise<ReadonlyArray<string>> => {
    sandbox.hold(group)
    return compile(sandbox.root, stop)
  }
  const judge = async (group: ReadonlyArray<Mutant>): Promise<void> => {
    const errors = group.length === 0 ? [] : await errorsOf(group)
    if (errors.length === 0 || group.length === 1) {
      if (errors.length > 0) rejected.set(group[0]!, errors[0]!)
      judged += group.length
      onProgress(`${judged}/${mutants.length} compiled, ${rejected.size} of them rejected`)
      return
    }
    const accused = group.filter(({ path }) => errors.some((error) => error.startsWith(`${path}(`)))
    for (const mutant of accused) await judge([mutant])
    const rest = group.filter((mutant) => !accused.includes(mutant))
    // The errors are in files without a mutant, so the search for the cause halves the group.
    const half = accused.length > 0 ? rest.length : Math.ceil(rest.length / 2)
    await judge(rest.slice(0, half))
    await judge(rest.slice(half))
  }
  const before = await errorsOf([])
  if (before.length > 0) throw new Error(`the sources do not compile without a mutant: ${before[0]}`)
  for (const group of onePerFile(mutants)) await judge(group)
  sandbox.hold([])
  return rejected
}
