// Reads a role's metrics in Prometheus' text form: one number for the series of a name with given labels, summed over
// several series.

import { Effect } from "effect"
import type { HttpClientError } from "effect/http"
import { send } from "./exchange.ts"
import type { MemoryWorld } from "./memory-world.ts"

type Labels = Readonly<Record<string, string>>

/** The sum of all series of `name` that have these labels. */
export const sumOf = (text: string, name: string, labels: Labels = {}): number =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`))
    .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf("} ") + 2)), 0)

/** Of a histogram, the number of its values with these labels, and how many are not above a bound. */
export const valuesOf = (text: string, name: string, labels: Labels = {}, bound = "+Inf") => ({
  count: sumOf(text, `${name}_count`, labels),
  within: sumOf(text, `${name}_bucket`, { ...labels, le: bound })
})

/** What sumOf finds at the role that listens at `url` in a world in memory. */
export const metricAt = (
  world: MemoryWorld,
  url: string,
  name: string,
  labels?: Labels
): Effect.Effect<number, HttpClientError.HttpClientError> =>
  Effect.map(send(world, "GET", `${url}/metrics`), ({ text }) => sumOf(text, name, labels))
