// The files that differ from a commit, as git names them, so that a check can look at what a change touches. Names may
// hold anything that a file's name may. It does not know what the files are for.

import { execFileSync } from "node:child_process"

/** git does not know the commit. `message` says so in one line. */
export class UnknownCommit extends Error {
  override readonly name = "UnknownCommit"
}

/**
 * Paths in the folder that differ from `commit` or are new, also when they are gone: what needed them is to be tested.
 */
export const changedSince = (root: string, commit: string): ReadonlyArray<string> => {
  const git = (...args: ReadonlyArray<string>): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  try {
    git("rev-parse", "--quiet", "--verify", "--end-of-options", `${commit}^{commit}`)
  } catch (error) {
    // One status for every text that names no commit; others, such as a folder without a repository, have their words.
    const { status, stderr } = error as { readonly status?: number; readonly stderr?: string }
    const why = stderr?.trim().split("\n")[0]
    throw new UnknownCommit(
      status === 1 || why === undefined || why === "" ? `there is no commit ${commit}` : `${commit}: ${why}`
    )
  }
  // Without -z, git writes names outside ASCII as escapes in quotes.
  return [
    ...git("diff", "-z", "--name-only", "--no-renames", "--relative", "--end-of-options", commit).split("\0"),
    ...git("ls-files", "-z", "--others", "--exclude-standard").split("\0")
  ].filter((path) => path !== "")
}
