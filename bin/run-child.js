// Decides how a launcher stands behind the program that it starts: the terminal is the child's, signals go on to it,
// its exit code or signal becomes the launcher's own. Plain JavaScript without dependencies.

import { spawn } from "node:child_process"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]

/**
 * Runs `file` to its end. With `watched` the child has a channel to this process, by whose closing it learns that this
 * process was killed without a chance to pass that on. `fail` is told in one line when nothing could be started.
 */
export const runChild = (file, args, options, fail) => {
  const stdio = options.watched ? ["inherit", "inherit", "inherit", "ipc"] : "inherit"
  const child = spawn(file, args, { stdio, env: options.env })
  const forward = (signal) => child.kill(signal)
  for (const signal of signals) process.on(signal, forward)
  child.on("error", (error) => fail(`cannot start ${file}: ${error.message}`))
  child.on("exit", (code, signal) => {
    for (const name of signals) process.removeListener(name, forward)
    if (signal !== null) process.kill(process.pid, signal)
    else process.exitCode = code
  })
}
