// A launcher in front of the program that it starts: the child has the terminal, receives the signals, and its exit
// code or signal becomes the launcher's own. Plain JavaScript without dependencies.

import { spawn } from "node:child_process"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"]

/**
 * Runs `file` to its end. With `watched` the child has a channel to this process: it closes even when this process is
 * killed and cannot pass a signal on. `fail` gets one line when nothing could be started.
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
