// Decides how a role counts: plain numbers while it runs, Effect metrics in a registry of the role's own when someone
// scrapes (a process may hold several roles, and two of them never share a series). Counting is a synchronous call that
// the data plane may use; values that a machine already keeps are read when someone asks.

import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

export type MetricLabels = Readonly<Record<string, string>>

/** A value at the instant of a scrape. Counters of the same name and labels are told as their sum. */
export interface Reading {
  readonly kind: "counter" | "gauge"
  readonly name: string
  readonly description: string
  readonly labels?: MetricLabels | undefined
  readonly value: number
}

export interface RoleMetrics {
  /** A counter that the caller adds to. */
  readonly counter: (name: string, description: string, labels?: MetricLabels) => (increment: number) => void
  /** A value that is read at every scrape. */
  readonly readGauge: (name: string, description: string, read: () => number, labels?: MetricLabels) => void
  /** Many values that are read at every scrape; a counter among them must never fall. */
  readonly readAll: (read: () => Iterable<Reading>) => void
  /** Everything in Prometheus' text form. */
  readonly text: () => string
}

/** An empty registry; every series gets the label role="...". */
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
