// Runs another program to its end: bounded in time, with its output collected, and a failure that shows the call and
// the output. Programs that keep running are in shoal-process.ts and daemons.ts.

import { spawn } from "node:child_process"

export interface ProgramResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Milliseconds before the program is killed. */
  readonly within?: number
}

/** Runs a program to its end, with any exit code. */
export const runToEnd = (
  program: string,
  args: ReadonlyArray<string>,
  options: ProgramOptions = {}
): Promise<ProgramResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: options.cwd,
      env: options.env ?? process.env
    })
    const stdout: Array<string> = []
    const stderr: Array<string> = []
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text))
    const timer = setTimeout(() => child.kill("SIGKILL"), options.within ?? 120_000)
    child.once("error", (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once("close", (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout: stdout.join(""), stderr: stderr.join("") })
    })
  })

/** Runs a program that must succeed. Returns its standard output. */
export const runProgram = async (
  program: string,
  args: ReadonlyArray<string>,
  options: ProgramOptions = {}
): Promise<string> => {
  const { code, signal, stdout, stderr } = await runToEnd(program, args, options)
  if (code === 0) return stdout
  throw new Error(`${[program, ...args].join(" ")} ended with ${signal ?? code}:\n${stdout}${stderr}`)
}
