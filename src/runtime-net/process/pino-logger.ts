// Log lines of a process: Effect's logger hands each to pino, as JSON, or as one readable line on a terminal. They go
// to standard error, so that standard output stays for what a command prints.

import { Cause, Layer, Logger, References } from "effect"
import { type DestinationStream, destination, type Level, type Logger as Pino, pino } from "pino"
import type { Log } from "../../roles/config/process-keys.ts"

export type LogConfig = typeof Log.Type

const pinoLevels: Record<string, Level> = {
  Fatal: "fatal",
  Error: "error",
  Warn: "warn",
  Info: "info",
  Debug: "debug",
  Trace: "trace"
}

const effectLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  silent: "None"
} as const

/** The logger that `log` describes, in place of Effect's own. `stream` is standard error when absent. */
export const pinoLogger = (log: LogConfig, stream?: DestinationStream): Layer.Layer<never> => {
  const pretty = log.format === "pretty" || (log.format === "auto" && process.stderr.isTTY === true)
  // Writes are synchronous, so that the last lines before a crash are not lost.
  const sink = stream ?? destination({ fd: 2, sync: true })
  const options = { level: log.level, base: null }
  const instance = pretty ? pino(options, prettyLines(sink)) : pino(options, sink)
  return Layer.merge(
    Logger.layer([toPino(instance)]),
    Layer.succeed(References.MinimumLogLevel, effectLevels[log.level])
  )
}

const toPino = (instance: Pino): Logger.Logger<unknown, void> =>
  Logger.make(({ message, logLevel, cause, fiber }) => {
    const level = pinoLevels[logLevel] ?? "info"
    if (!instance.isLevelEnabled(level)) return
    const fields: Record<string, unknown> = { ...fiber.getRef(References.CurrentLogAnnotations) }
    if (cause.reasons.length > 0) fields.cause = Cause.pretty(cause)
    const parts: Array<string> = []
    for (const part of Array.isArray(message) ? message : [message]) {
      if (typeof part === "string") parts.push(part)
      else if (part instanceof Error) parts.push(part.message)
      else if (typeof part === "object" && part !== null) Object.assign(fields, part)
      else parts.push(String(part))
    }
    instance[level](fields, parts.join(" "))
  })

const colours: Record<number, readonly [name: string, escape: string]> = {
  10: ["trace", "\u001b[90m"],
  20: ["debug", "\u001b[36m"],
  30: ["info ", "\u001b[32m"],
  40: ["warn ", "\u001b[33m"],
  50: ["error", "\u001b[31m"],
  60: ["fatal", "\u001b[31m"]
}

/** "12:30:01.250 info  message  key=value", for people. */
const prettyLines = (sink: DestinationStream): DestinationStream => ({
  write: (line) => {
    const { level, time, msg, cause, ...fields } = JSON.parse(line)
    const [name, escape] = colours[level] ?? ["log", ""]
    const clock = new Date(time).toISOString().slice(11, 23)
    const rest = Object.entries(fields)
      .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
      .join("")
    const trouble = cause === undefined ? "" : `\n${cause}`
    sink.write(`${clock} ${escape}${name}\u001b[0m ${msg}\u001b[90m${rest}\u001b[0m${trouble}\n`)
  }
})
