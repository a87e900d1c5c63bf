// A made-up experiment for tests of the runner, whose cells count, fail, crash or hang, in a registry that threads load
// like the real one, and a laboratory around it.

import { Effect, Schema } from "effect"
import { defineExperiment, ExperimentFailed, option } from "../../experiments/engine/experiment.ts"
import type { Laboratory } from "../../experiments/engine/laboratory.ts"
import { choiceText, countText } from "../../experiments/engine/option-text.ts"

interface Input {
  readonly seed: number
  readonly cell: number
  readonly behaviour: "count" | "fail" | "throw" | "exit" | "hang"
}

interface Outcome {
  readonly traceHash: string
  readonly events: number
  readonly sum: number
}

const options = Schema.Struct({
  cells: option(countText(1, 100), "6", "Cells of a seed."),
  last: option(
    choiceText(["count", "fail", "throw", "exit", "hang"]),
    "count",
    "What the last cell of each seed does."
  ),
  memory: option(countText(1, Number.MAX_SAFE_INTEGER), "1000000", "Bytes that a cell claims to need.")
})

const never = new Int32Array(new SharedArrayBuffer(4))

const counted = defineExperiment({
  name: "counted",
  title: "Counting",
  question: "How far do threads count?",
  options,
  quick: { cells: "2", seed: "3" },
  seeds: "1-2",
  method: ["Each counts by itself."],
  limits: ["Nobody checks."],
  links: ["fair"],
  cells: ({ cells, last, memory }, seeds) =>
    seeds.flatMap((seed) =>
      Array.from({ length: cells }, (_, cell) => ({
        label: `seed ${seed}, cell ${cell}`,
        input: { seed, cell, behaviour: cell === cells - 1 ? last : "count" } satisfies Input as Input,
        cost: cell,
        memory
      }))
    ),
  measure: ({ seed, cell, behaviour }, progress): Effect.Effect<Outcome, ExperimentFailed> =>
    Effect.suspend(() => {
      progress.update(0.5, "counting")
      if (behaviour === "fail") {
        return new ExperimentFailed({ experiment: "counted", message: "counted: lost count" })
      }
      if (behaviour === "throw") throw new Error("no fingers")
      if (behaviour === "exit") process.exit(3)
      if (behaviour === "hang") Atomics.wait(never, 0, 0)
      // Undefined and a negative zero do not survive JSON: the outcome is the same with or without a thread.
      const sum = seed * 100 + cell
      return Effect.succeed({ traceHash: `${seed}-${cell}`, events: 1, sum, zero: -0, nothing: undefined })
    }),
  conclude: (_, seeds, outcomes) =>
    Effect.succeed({
      strategies: {},
      figures: {
        seeds: { value: seeds.length, unit: "", meaning: "Seeds." },
        sum: { value: outcomes.reduce((sum, outcome) => sum + outcome.sum, 0), unit: "", meaning: "Sum." }
      },
      tables: [
        {
          title: "Outcomes",
          caption: "Everything that came out.",
          columns: ["outcome"],
          rows: outcomes.map((outcome) => [JSON.stringify(outcome)])
        }
      ],
      charts: [
        {
          name: "chart",
          title: "Sums",
          caption: "One bar a cell.",
          spec: {
            data: { values: outcomes.map(({ sum }, cell) => ({ cell, sum })) },
            mark: "bar",
            width: 400,
            encoding: {
              x: { field: "cell", type: "ordinal" },
              y: { field: "sum", type: "quantitative" }
            }
          }
        }
      ]
    }),
  answer: (_, { figures }) => `As far as ${figures.sum!.value}.`
})

export const experiments = [counted]

/** A laboratory around the made-up registry, with its reports in a folder and the given fingerprint. */
export const testLaboratory = (reports: string, sources = "abc"): Laboratory => ({
  registry: experiments,
  module: import.meta.url,
  reports,
  fingerprints: () => Effect.succeed({ report: sources, cell: sources }),
  watchSources: Effect.succeed(() => true)
})
