// Metrics of a role: plain numbers while it runs, which become Effect metrics in a registry of the role at each
// scrape. A process may run several roles, and two roles never share a series. Counting is a synchronous call that
// the data plane may use; values that a machine keeps anyway are read at the scrape.

import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

export type MetricLabels = Readonly<Record<string, string>>

/** A value at the time of a scrape. Counters of the same name and labels are added up. */
export interface Reading {
  readonly kind: "counter" | "gauge"
  readonly name: string
  readonly description: string
  readonly labels?: MetricLabels | undefined
  readonly value: number
}

export interface RoleMetrics {
  /** A counter; the caller adds increments by the returned function. */
  readonly counter: (name: string, description: string, labels?: MetricLabels) => (increment: number) => void
  /** A gauge that is read at each scrape. */
  readonly readGauge: (name: string, description: string, read: () => number, labels?: MetricLabels) => void
  /** Several values that are read at each scrape; a counter among them must never decrease. */
  readonly readAll: (read: () => Iterable<Reading>) => void
  /** All metrics in the Prometheus text format. */
  readonly text: () => string
}

/** Makes an empty registry; every series has the label role="...". */
export const makeRoleMetrics = (role: string): RoleMetrics => {
  const reads: Array<() => Iterable<Reading>> = []
  return {
    counter: (name, description, labels) => {
      let value = 0
      reads.push(() => [{ kind: "counter", name, description, labels, value }])
      return (increment) => {
        value += increment
      }
    },
    readGauge: (name, description, read, labels) => {
      reads.push(() => [{ kind: "gauge", name, description, labels, value: read() }])
    },
    readAll: (read) => {
      reads.push(read)
    },
    text: () => {
      const context = Context.make(Metric.MetricRegistry, new Map())
      for (const read of reads) {
        for (const { kind, name, description, labels, value } of read()) {
          const attributes = { role, ...labels }
          const metric =
            kind === "gauge"
              ? Metric.gauge(name, { description, attributes })
              : Metric.counter(name, { description, attributes, incremental: true })
          metric.updateUnsafe(value, context)
        }
      }
      return PrometheusMetrics.formatUnsafe(context)
    }
  }
}
