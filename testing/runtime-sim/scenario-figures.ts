// What a scenario costs in the simulator: its virtual time, events and bytes, and what the roles that still run at its
// end have counted, summed over hosts. The figures are exact, because a run of the simulator repeats.

import { Effect, Option } from "effect"
import { HttpClientRequest } from "effect/http"
import type { StartedRole } from "../../src/roles/host-program.ts"
import type { SimulationOptions } from "../../src/runtime-sim/simulation.ts"
import { bodyBytes, request } from "../scenarios/registry-script.ts"
import type { Scenario } from "../scenarios/scenario.ts"
import type { ScenarioWorld } from "../scenarios/world.ts"
import { makeSimWorld } from "./scenario-world.ts"

interface ScenarioFigures {
  readonly milliseconds: number
  readonly events: number
  readonly bytesSent: number
  readonly bytesLost: number
  /** Totals that are not zero, by metric and labels. */
  readonly metrics: Readonly<Record<string, number>>
}

export interface Played {
  readonly figures: ScenarioFigures
  readonly traceHash: string
}

/** The lines of a page of metrics that hold a value, without histograms, whose values are counted elsewhere. */
const seriesOf = (page: string): ReadonlyArray<readonly [series: string, value: number]> =>
  page
    .split("\n")
    .filter((line) => line !== "" && !/^#|^\w+_seconds_(bucket|sum|count)\{/.test(line))
    .map((line) => {
      const space = line.lastIndexOf(" ")
      return [line.slice(0, space), Number(line.slice(space + 1))]
    })

/** Sums what the listeners answer. One that does not answer any more is left out. */
const totalsOf = (world: ScenarioWorld, roles: ReadonlyMap<string, StartedRole>) =>
  Effect.gen(function* () {
    const totals = new Map<string, number>()
    for (const { listeners } of roles.values()) {
      // The listeners of one role show the same metrics.
      const ofHost = new Map<string, number>()
      for (const { listen } of listeners) {
        const get = HttpClientRequest.get(`http://${listen.host}:${listen.port}/metrics`)
        const page = yield* Effect.option(Effect.flatMap(request(world.client, get), bodyBytes))
        if (Option.isNone(page)) continue
        for (const [series, value] of seriesOf(new TextDecoder().decode(page.value)))
          ofHost.set(series, value)
      }
      for (const [series, value] of ofHost) totals.set(series, (totals.get(series) ?? 0) + value)
    }
    return totals
  })

/** Plays a scenario in a simulation of its own and scrapes its roles before they stop. */
export const playScenario = (scenario: Scenario, options: SimulationOptions): Played => {
  const { world, simulation } = makeSimWorld(options)
  const roles = new Map<string, StartedRole>()
  const watched: ScenarioWorld = {
    ...world,
    start: (name, program, faults) =>
      Effect.tap(world.start(name, program, faults), ({ role }) => Effect.sync(() => roles.set(name, role)))
  }
  const played = Effect.andThen(
    scenario.run(watched),
    Effect.suspend(() => totalsOf(world, roles))
  )
  const totals = simulation.run(Effect.scoped(played))
  const { virtualTime, events, bytesSent, bytesLost } = simulation.stats()
  const counted = [...totals].filter(([, total]) => total !== 0)
  return {
    figures: {
      milliseconds: virtualTime / 1000,
      ...{ events, bytesSent, bytesLost },
      metrics: Object.fromEntries(counted.sort(([one], [other]) => (one < other ? -1 : 1)))
    },
    traceHash: simulation.traceHash()
  }
}
