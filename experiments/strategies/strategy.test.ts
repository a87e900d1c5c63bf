// Tests of the registry of strategies, and of decoding parameters.

import { Effect } from "effect"
import { expect, test } from "vitest"
import { countText } from "../engine/option-text.ts"
import { silentProgress } from "../engine/progress.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { findStrategy, strategies } from "./registry.ts"
import { defineStrategy, parameter, StrategyFailed } from "./strategy.ts"

const spec: FlashCrowd = {
  seed: 1,
  agents: 10,
  origins: 1,
  trackers: 1,
  blobs: [{ name: "layer", length: 1, pieceLength: 1 }],
  links: { model: "fair", rate: 1, burst: 0, latency: 0 },
  patience: 1
}

const echo = defineStrategy<{ readonly hosts: number }>({
  name: "echo",
  parameters: { hosts: parameter(countText(1, 100), "7", "Hosts.") },
  refuse: ({ agents }, { hosts }) => (hosts > agents ? `${hosts} hosts are more than ${agents}` : undefined),
  run: (_, { hosts }) => Effect.fail(new StrategyFailed({ strategy: "echo", message: `ran with ${hosts}` }))
})

const messageOf = (parameters: Readonly<Record<string, string>>) =>
  Effect.runSync(Effect.flip(echo.run(spec, parameters, silentProgress))).message

test("names differ, and every strategy runs with its defaults and as tuned", () => {
  expect(new Set(strategies.map(({ name }) => name)).size).toBe(strategies.length)
  for (const { parameters, refusal, tuned = {}, name } of strategies) {
    const byDefault = Object.fromEntries(parameters.map((known) => [known.name, known.byDefault]))
    expect(refusal(spec, byDefault), name).toBeUndefined()
    expect(refusal(spec, tuned), name).toBeUndefined()
  }
})

test("an unknown strategy is refused, and the nearest name suggested", () => {
  const error = Effect.runSync(Effect.flip(findStrategy("krakn")))
  expect(error.message).toMatch(/unknown strategy krakn: did you mean kraken\?/)
})

test("absent parameters take their defaults, given ones are decoded", () => {
  expect(messageOf({})).toBe("ran with 7")
  expect(messageOf({ hosts: "9" })).toBe("ran with 9")
})

test("bad parameters are refused before anything runs", () => {
  expect(messageOf({ host: "9" })).toBe(
    "echo: unknown parameter host: did you mean hosts? the choices are hosts"
  )
  expect(messageOf({ hosts: "many" })).toMatch(/parameter hosts: .*whole number from 1 to 100/)
  expect(messageOf({ hosts: "11" })).toBe("echo: 11 hosts are more than 10")
  expect(echo.refusal(spec, { hosts: "11" })).toBe("11 hosts are more than 10")
  expect(echo.refusal(spec, {})).toBeUndefined()
})
