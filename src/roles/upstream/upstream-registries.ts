// Finds the upstream registry of a repository among the configured ones: its prefix begins the repository's name. A
// repository without an upstream is the cluster's own.

import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import type { Micros } from "../../protocol/kit/time.ts"
import { microsOf } from "../config/quantities.ts"
import type { Digests } from "../services/digests.ts"
import type { Upstream } from "./mirror-config.ts"
import { repositoryPrefix, splitMirrored } from "./mirror-names.ts"
import { makeUpstreamRegistry, type UpstreamRegistry } from "./upstream-registry.ts"

export interface MirroredRepository {
  readonly registry: UpstreamRegistry
  /** Its name at the upstream. */
  readonly remote: string
  /** Time for which a tag is served before the upstream is asked again. */
  readonly freshness: Micros
}

export interface UpstreamRegistries {
  /** By the repository's name in the cluster; undefined for the cluster's own. */
  readonly of: (repository: string) => MirroredRepository | undefined
}

export const makeUpstreamRegistries = (
  upstreams: ReadonlyArray<Upstream>
): Effect.Effect<UpstreamRegistries, never, HttpClient.HttpClient | Digests> =>
  Effect.gen(function* () {
    const byPrefix = new Map<string, { readonly registry: UpstreamRegistry; readonly freshness: Micros }>()
    for (const upstream of upstreams) {
      const { freshness } = upstream
      byPrefix.set(repositoryPrefix(upstream.name)!, {
        registry: yield* makeUpstreamRegistry(upstream),
        freshness: microsOf(freshness)
      })
    }
    return {
      of: (repository) => {
        const split = splitMirrored(repository)
        const found = split === undefined ? undefined : byPrefix.get(split.prefix)
        return split === undefined || found === undefined ? undefined : { ...found, remote: split.remote }
      }
    }
  })
