// What a process uses of its machine, for the metrics of its roles: a world that has processes provides it. Every role
// of a process shows the same values, each with its own label.

import { Context } from "effect"
import { counterMetric, gaugeMetric, type Reading } from "./metrics.ts"

/** Since the start of the process, or now. */
export interface ProcessUse {
  readonly cpuSeconds: number
  readonly residentBytes: number
  /** How late the event loop was lately, in seconds: in one case of a hundred at least so, and at most. */
  readonly loopDelay: { readonly p99: number; readonly max: number }
}

/** Reads the use; absent in a simulation, whose hosts are no processes. */
export const ProcessUse: Context.Reference<(() => ProcessUse) | undefined> = Context.Reference(
  "shoal/services/ProcessUse",
  { defaultValue: (): (() => ProcessUse) | undefined => undefined }
)

const of = "every process"

const cpu = counterMetric("shoal_process_cpu_seconds_total", {
  of,
  description: "Processor time of the process, shown by each of its roles"
})
const resident = gaugeMetric("shoal_process_resident_bytes", {
  of,
  description: "Resident memory of the process, shown by each of its roles"
})
const loopDelay = gaugeMetric("shoal_process_event_loop_delay_seconds", {
  of,
  description: "How late the event loop of the process was since a scrape at least 10 s ago",
  labels: { quantile: "`0.99` or `1`" }
})

export const processReadings = (read: (() => ProcessUse) | undefined): ReadonlyArray<Reading> => {
  if (read === undefined) return []
  const { cpuSeconds, residentBytes, loopDelay: late } = read()
  return [
    { metric: cpu, value: cpuSeconds },
    { metric: resident, value: residentBytes },
    { metric: loopDelay, labels: { quantile: "0.99" }, value: late.p99 },
    { metric: loopDelay, labels: { quantile: "1" }, value: late.max }
  ]
}
