// Metrics of an agent's image resolver: what was resolved, from which source, and how much the cache holds. They are
// plain numbers, read at each scrape, because a simulation has a resolver in each of thousands of agents.
//
// Invariant: every value of version 0.1 is also exposed under its old name (shoal_facts...), until the next version.

import { counterMetric, gaugeMetric, type Reading, type RoleMetrics } from "../services/metrics.ts"
import type { ResolutionCache } from "./resolution-cache.ts"

/** Where a resolution came from: the cache, a build-index, the cache while no build-index answers, or nowhere. */
export interface ResolutionCounts {
  cache: number
  buildIndex: number
  stale: number
  unavailable: number
}

export interface ResolverCounts {
  readonly tag: ResolutionCounts
  readonly manifest: ResolutionCounts
  readonly blob: ResolutionCounts
  /** Answers of build-indexes that were older than the cache's entry. */
  olderAnswers: number
}

const noResolutions = (): ResolutionCounts => ({ cache: 0, buildIndex: 0, stale: 0, unavailable: 0 })

export const noCounts = (): ResolverCounts => ({
  tag: noResolutions(),
  manifest: noResolutions(),
  blob: noResolutions(),
  olderAnswers: 0
})

/** The value of each label, and what it was in version 0.1. */
const sources = [
  ["cache", "cache", "remembered"],
  ["buildIndex", "build-index", "asked"],
  ["stale", "stale", "stale"],
  ["unavailable", "unavailable", "unavailable"]
] as const

const resolutions = counterMetric("shoal_resolutions_total", {
  of: "agents",
  description: "Tags, manifests and blobs resolved, by the source of the answer",
  labels: { kind: "`tag`, `manifest` or `blob`", source: "`cache`, `build-index`, `stale` or `unavailable`" }
})
const factsRead = counterMetric("shoal_facts_read_total", {
  of: "agents",
  description: "Old name of shoal_resolutions_total",
  labels: { fact: "`tag`, `manifest` or `blob`", answer: "`remembered`, `asked`, `stale` or `unavailable`" }
})
const olderAnswers = counterMetric("shoal_resolutions_older_total", {
  of: "agents",
  description: "Answers of build-indexes that were older than the cached entry and were ignored"
})
const factsOlder = counterMetric("shoal_facts_older_total", {
  of: "agents",
  description: "Old name of shoal_resolutions_older_total"
})
const cacheEntries = gaugeMetric("shoal_resolution_cache_entries", {
  of: "agents",
  description: "Entries of the resolution cache",
  labels: { kind: "`tags`, `manifests` or `blobs`" }
})
const facts = gaugeMetric("shoal_facts", {
  of: "agents",
  description: "Old name of shoal_resolution_cache_entries",
  labels: { kind: "`tags`, `manifests` or `blobs`" }
})

export const readResolverMetrics = (
  metrics: RoleMetrics,
  counts: ResolverCounts,
  cache: ResolutionCache
): void => {
  metrics.readAll(() => [...resolutionReadings(counts), ...olderReadings(counts), ...entryReadings(cache)])
}

const resolutionReadings = (counts: ResolverCounts): ReadonlyArray<Reading> =>
  (["tag", "manifest", "blob"] as const).flatMap((kind) =>
    sources.flatMap(([source, label, oldLabel]): ReadonlyArray<Reading> => {
      const value = counts[kind][source]
      return [
        { metric: resolutions, labels: { kind, source: label }, value },
        { metric: factsRead, labels: { fact: kind, answer: oldLabel }, value }
      ]
    })
  )

const olderReadings = ({ olderAnswers: value }: ResolverCounts): ReadonlyArray<Reading> => [
  { metric: olderAnswers, value },
  { metric: factsOlder, value }
]

const entryReadings = (cache: ResolutionCache): ReadonlyArray<Reading> =>
  Object.entries(cache.sizes()).flatMap(([kind, value]): ReadonlyArray<Reading> => {
    const labels = { kind }
    return [
      { metric: cacheEntries, labels, value },
      { metric: facts, labels, value }
    ]
  })
