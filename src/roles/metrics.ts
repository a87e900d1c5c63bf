// Decides how a role counts: Effect metrics in a registry of the role's own (a process may hold several roles), so
// that two roles never share a series. Counting is a synchronous call that the data plane may use; values that a
// machine already keeps are read when someone asks.

import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

export type MetricLabels = Readonly<Record<string, string>>

export interface RoleMetrics {
  /** A counter that the caller adds to. */
  readonly counter: (name: string, description: string, labels?: MetricLabels) => (increment: number) => void
  /** A counter whose total is read at every scrape; it must never fall. */
  readonly readCounter: (name: string, description: string, read: () => number, labels?: MetricLabels) => void
  /** A value that is read at every scrape. */
  readonly readGauge: (name: string, description: string, read: () => number, labels?: MetricLabels) => void
  /** Everything in Prometheus' text form. */
  readonly text: () => string
}

/** An empty registry; every series gets the label role="...". */
export const makeRoleMetrics = (role: string): RoleMetrics => {
  const context = Context.make(Metric.MetricRegistry, new Map())
  const reads: Array<() => void> = []
  const labelled = (labels: MetricLabels | undefined): Record<string, string> => ({ role, ...labels })
  return {
    counter: (name, description, labels) => {
      const metric = Metric.counter(name, { description, attributes: labelled(labels), incremental: true })
      metric.updateUnsafe(0, context)
      return (increment) => metric.updateUnsafe(increment, context)
    },
    readCounter: (name, description, read, labels) => {
      const metric = Metric.counter(name, { description, attributes: labelled(labels), incremental: true })
      let told = 0
      reads.push(() => {
        const total = read()
        metric.updateUnsafe(total - told, context)
        told = total
      })
    },
    readGauge: (name, description, read, labels) => {
      const metric = Metric.gauge(name, { description, attributes: labelled(labels) })
      reads.push(() => metric.updateUnsafe(read(), context))
    },
    text: () => {
      for (const read of reads) read()
      return PrometheusMetrics.formatUnsafe(context)
    }
  }
}
