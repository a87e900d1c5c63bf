// Lines of a log: JSON with its fields for machines, one readable line for people, nothing below the level.

import { it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { describe, expect } from "vitest"
import { type LogConfig, pinoLogger } from "./pino-logger.ts"

const logged = (log: LogConfig, program: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    yield* program.pipe(Effect.provide(pinoLogger(log, { write: (line) => lines.push(line) })))
    return lines
  })

const program = Effect.gen(function* () {
  yield* Effect.logDebug("quiet")
  yield* Effect.logInfo("started", { port: 15000 })
  yield* Effect.logWarning("failed", Cause.fail(new Error("no route")))
}).pipe(Effect.annotateLogs({ role: "agent" }))

describe("pino logger", () => {
  it.effect("writes JSON lines with level, message, annotations, fields and cause", () =>
    Effect.gen(function* () {
      const lines = yield* logged({ level: "info", format: "json" }, program)
      const records = lines.map((line) => JSON.parse(line))
      expect(records).toMatchObject([
        { level: 30, msg: "started", role: "agent", port: 15000 },
        { level: 40, msg: "failed", role: "agent" }
      ])
      expect(records[1].cause).toContain("no route")
    })
  )

  it.effect("writes a readable line for people", () =>
    Effect.gen(function* () {
      const lines = yield* logged({ level: "debug", format: "pretty" }, program)
      expect(lines.length).toBe(3)
      const escapes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g")
      const plain = lines[1]!.replace(escapes, "")
      expect(plain).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}started role=agent port=15000\n$/)
    })
  )

  it.effect("writes nothing when silent", () =>
    Effect.gen(function* () {
      expect(yield* logged({ level: "silent", format: "json" }, program)).toEqual([])
    })
  )
})
