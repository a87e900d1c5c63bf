// Metrics of a role: plain numbers while it runs, which become Effect metrics in a registry of the role at each
// scrape. A process may run several roles, and two roles never share a series. Counting is a synchronous call that
// the data plane may use; values that a machine keeps anyway are read at the scrape.

import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Histogram } from "../../protocol/kit/histogram.ts"
import { invariant } from "../../protocol/kit/invariant.ts"

export type MetricLabels = Readonly<Record<string, string>>

/** A metric as its users know it. docs/metrics.md lists all of them. */
export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram"
  readonly name: string
  /** Which roles have it: "agents and origins". */
  readonly of: string
  readonly description: string
  /** What each label holds, besides `role`, which every series has. */
  readonly labels: MetricLabels
}

type About = Pick<MetricDefinition, "of" | "description"> & Partial<Pick<MetricDefinition, "labels">>

/** Once per name and process: definitions are constants of the modules that count. */
const definitions = new Map<string, MetricDefinition>()

const define = (definition: MetricDefinition): MetricDefinition => {
  invariant(!definitions.has(definition.name), `${definition.name} is defined twice`)
  definitions.set(definition.name, definition)
  return definition
}

/** Defines a metric that only grows while its process runs. */
export const counterMetric = (name: string, { labels = {}, ...about }: About): MetricDefinition =>
  define({ kind: "counter", name, labels, ...about })

/** Defines a metric that is what it is at the time of a scrape. */
export const gaugeMetric = (name: string, { labels = {}, ...about }: About): MetricDefinition =>
  define({ kind: "gauge", name, labels, ...about })

/** Defines a histogram of durations; its values are seconds. */
export const durationMetric = (name: string, { labels = {}, ...about }: About): MetricDefinition =>
  define({ kind: "histogram", name, labels, ...about })

/** Bounds of the durations of requests, in seconds: an answer of the same machine to a slow pull. */
const requestBounds: readonly number[] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120]

/** The definitions of all modules that are loaded, by name. */
export const definedMetrics = (): ReadonlyArray<MetricDefinition> =>
  [...definitions.values()].sort((one, other) => (one.name < other.name ? -1 : 1))

/** A value at the time of a scrape. Counters of the same name and labels are added up. */
export interface Reading {
  readonly metric: MetricDefinition
  readonly labels?: MetricLabels | undefined
  /** Of a histogram, its values by bucket. */
  readonly value: number | Histogram
  /** What one unit of the values of a histogram is in seconds (1). */
  readonly unit?: number
}

export interface RoleMetrics {
  /** The role whose metrics these are. */
  readonly role: string
  /** A counter; the caller adds increments by the returned function. */
  readonly counter: (metric: MetricDefinition, labels?: MetricLabels) => (increment: number) => void
  /** A histogram of seconds; the caller adds durations by the returned function. */
  readonly durations: (metric: MetricDefinition, labels?: MetricLabels) => (seconds: number) => void
  /** A gauge that is read at each scrape. */
  readonly readGauge: (metric: MetricDefinition, read: () => number) => void
  /** Several values that are read at each scrape; a counter among them must never decrease. */
  readonly readAll: (read: () => Iterable<Reading>) => void
  /** All metrics, and these readings, in the Prometheus text format. */
  readonly text: (more?: Iterable<Reading>) => string
}

const register = (
  { metric: { name, description, kind }, labels, value, unit = 1 }: Reading,
  role: string,
  context: Context.Context<never>
): void => {
  const attributes = { role, ...labels }
  if (typeof value !== "number") {
    const buckets = value
      .cumulative()
      .map(([bound, count]): [number, number] => [Number((bound * unit).toPrecision(12)), count])
    const state = { buckets, count: value.count, sum: value.sum * unit, min: 0, max: 0 }
    Metric.registerUnsafe(Metric.histogram(name, { description, attributes, boundaries: [] }), context, {
      get: () => state,
      update: () => {},
      modify: () => {}
    })
    return
  }
  const metric =
    kind === "gauge"
      ? Metric.gauge(name, { description, attributes })
      : Metric.counter(name, { description, attributes, incremental: true })
  metric.updateUnsafe(value, context)
}

/** Makes an empty registry; every series has the label role="...". */
export const makeRoleMetrics = (role: string): RoleMetrics => {
  const reads: Array<() => Iterable<Reading>> = []
  return {
    role,
    counter: (metric, labels) => {
      let value = 0
      reads.push(() => [{ metric, labels, value }])
      return (increment) => {
        value += increment
      }
    },
    durations: (metric, labels) => {
      const histogram = new Histogram(requestBounds)
      reads.push(() => [{ metric, labels, value: histogram }])
      return (seconds) => histogram.observe(seconds)
    },
    readGauge: (metric, read) => {
      reads.push(() => [{ metric, value: read() }])
    },
    readAll: (read) => {
      reads.push(read)
    },
    text: (more = []) => {
      const context = Context.make(Metric.MetricRegistry, new Map())
      for (const read of [...reads, () => more]) {
        for (const reading of read()) register(reading, role, context)
      }
      return PrometheusMetrics.formatUnsafe(context)
    }
  }
}
