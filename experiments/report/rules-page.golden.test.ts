// The charts of docs/rules.md are those that the kept figures draw. It measures nothing.

import { it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { rulesCharts } from "../../testing/experiments/rules-charts.ts"
import { drawChart } from "./chart.ts"

it.effect.each(rulesCharts)("the chart $name is drawn from the kept figures", (chart) =>
  Effect.gen(function* () {
    const { svg } = yield* drawChart(chart)
    yield* Effect.promise(() => expect(svg).toMatchFileSnapshot(`../../docs/rules/${chart.name}.svg`))
  })
)
