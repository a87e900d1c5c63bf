// Limits of the registry API that proxies and agents serve. Each line states the unit and the trade-off.

import { Context, Effect } from "effect"
import { OciLimits } from "../oci/limits.ts"

const MiB = 1024 * 1024

export const registryLimits = {
  /** Bytes of pushed manifests that a registry holds at once; a client that brings more is told to come back. */
  maxGatheredManifests: 256 * MiB,
  /** Missing contents of a manifest that a refusal lists: about 100 bytes each. */
  maxMissingListed: 100,
  /** Tags that one put may move (OCI: registries must take at least 10). */
  maxTagsPerPut: 100,
  /** Listed referrers that are looked up at once, to leave out those that were deleted. */
  maxParallelLookups: 8,
  /** Characters of the name of a client that changes a tag. A tag's history repeats it. */
  maxChangedByLength: 256
}

export type RegistryLimits = Readonly<typeof registryLimits>

/** What the registry API reads when it is made: these limits, unless a test sets others. */
export const RegistryLimits: Context.Reference<RegistryLimits> = Context.Reference(
  "shoal/roles/registry/RegistryLimits",
  {
    defaultValue: () => registryLimits
  }
)

/** What the routes of the registry API obey. */
export type ApiLimits = RegistryLimits & OciLimits

export const apiLimits: Effect.Effect<ApiLimits> = Effect.gen(function* () {
  return { ...(yield* RegistryLimits), ...(yield* OciLimits) }
})
