// The form of a failed command: one line on stderr and an exit code other than 0. Every failure that a person can cause
// ends here. Any other error that reaches main.ts is a bug and shows its stack.

import { Cause, Data, type Exit } from "effect"
import { CliError } from "effect/cli"

/** A command that cannot do what was asked. `message` says what, where and what to do, in one line. */
export class CliFailure extends Data.TaggedError("CliFailure")<{ readonly message: string }> {}

/** This machine cannot do what was asked, whoever asks; on another one the same command line works. */
export class NotPossibleHere extends Data.TaggedError("NotPossibleHere")<{ readonly message: string }> {}

const exitCodes = {
  /** The command finished, or a signal stopped it in order. */
  ok: 0,
  /** The command was understood and failed. */
  failed: 1,
  /** The command line or the configuration was not understood. */
  usage: 2,
  /** NotPossibleHere: a test may skip what the machine lacks. */
  notPossibleHere: 3
} as const

export interface Verdict {
  readonly code: number
  /** Lines for stderr. */
  readonly lines: ReadonlyArray<string>
}

/** What Effect says of a wrong command line, in one line and without the frame that it puts around a schema's words. */
export const inOneLine = (message: string): string =>
  message
    .replace(/Expected: Schema validation failed: expected (.*), got "[\s\S]*"$/, "Expected $1")
    .replace(/\n\n\s*Did you mean/, ". Did you mean")
    .replaceAll(/\s+/g, " ")

const hasMessage = (error: unknown): error is { readonly message: string } =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"

/** The exit code and the lines that tell a person how a command ended. */
export const verdictOf = (exit: Exit.Exit<unknown, unknown>): Verdict => {
  if (exit._tag === "Success" || Cause.hasInterruptsOnly(exit.cause)) return { code: exitCodes.ok, lines: [] }
  const fail = exit.cause.reasons.find(Cause.isFailReason)
  if (fail === undefined) return { code: exitCodes.failed, lines: [`shoal: ${Cause.pretty(exit.cause)}`] }
  const { error } = fail
  // main.ts has already printed what was wrong with the command line.
  if (CliError.isCliError(error)) {
    return {
      code: error._tag === "ShowHelp" && error.errors.length === 0 ? exitCodes.ok : exitCodes.usage,
      lines: []
    }
  }
  return {
    code: error instanceof NotPossibleHere ? exitCodes.notPossibleHere : exitCodes.failed,
    lines: [`shoal: ${hasMessage(error) ? error.message.split("\n", 1)[0] : String(error)}`]
  }
}
