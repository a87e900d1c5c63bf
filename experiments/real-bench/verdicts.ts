// Medians of samples, and what an aim makes of them: met, missed within the tolerance, missed, or not measured. Pure.

import { ascending, quantile } from "../report/quantiles.ts"
import type { Aim, Measure, Row } from "./rows.ts"
import type { Sample } from "./scenario.ts"
import type { SystemName } from "./system.ts"

/** A ratio may be missed by this share before the check fails: runs on one machine differ by as much. */
export const tolerance = 0.15

/** The samples of all runs, by scenario and system. */
export type Samples = ReadonlyMap<string, ReadonlyMap<SystemName, ReadonlyArray<Sample>>>

/** The median over the runs; undefined when the system was not measured or does not have the metric. */
export const medianOf = (
  samples: Samples,
  { scenario }: Pick<Row, "scenario">,
  system: SystemName,
  metric: string
): number | undefined => {
  const values = (samples.get(scenario.name)?.get(system) ?? []).flatMap((sample) => sample[metric] ?? [])
  return values.length === 0 ? undefined : quantile(ascending(values), 500)
}

type Standing = "met" | "missed within tolerance" | "missed" | "not measured"

export interface Verdict {
  readonly aim: Aim
  /** Shoal's number over the other system's, or over the bound. */
  readonly ratio: number | undefined
  readonly standing: Standing
  /** Whether --check fails. */
  readonly fails: boolean
}

const standingOf = (ratio: number, factor: number, better: Measure["better"]): Standing => {
  // How many times worse than the aim.
  const missedBy = better === "less" ? ratio / factor : factor / ratio
  return missedBy <= 1 ? "met" : missedBy <= 1 + tolerance ? "missed within tolerance" : "missed"
}

/** Whether an aim can be checked on any machine. */
export const isRatio = (aim: Aim): boolean => aim.kind === "ratio" || aim.isRatio

const verdictOf = (
  aim: Aim,
  { metric, better }: Measure,
  median: (system: SystemName, metric: string) => number | undefined
): Verdict => {
  const own = median("shoal", metric)
  const other = aim.kind === "ratio" ? median(aim.to, metric) : aim.most
  if (own === undefined || other === undefined) {
    return { aim, ratio: undefined, standing: "not measured", fails: false }
  }
  const ratio = own / other
  const standing = standingOf(ratio, aim.kind === "ratio" ? aim.factor : 1, better)
  return { aim, ratio, standing, fails: isRatio(aim) && standing === "missed" }
}

export interface JudgedMeasure {
  readonly row: Row
  readonly measure: Measure
  readonly medians: ReadonlyMap<SystemName, number>
  readonly verdicts: ReadonlyArray<Verdict>
}

/** Every measure of the rows that was measured at all. */
export const judge = (
  rows: ReadonlyArray<Row>,
  systems: ReadonlyArray<SystemName>,
  samples: Samples
): ReadonlyArray<JudgedMeasure> =>
  rows.flatMap((row) =>
    row.measures.flatMap((measure) => {
      const median = (system: SystemName, metric: string) => medianOf(samples, row, system, metric)
      const medians = new Map(
        systems.flatMap((system) => {
          const value = median(system, measure.metric)
          return value === undefined ? [] : [[system, value] as const]
        })
      )
      const verdicts = measure.aims.map((aim) => verdictOf(aim, measure, median))
      return medians.size === 0 ? [] : [{ row, measure, medians, verdicts }]
    })
  )
