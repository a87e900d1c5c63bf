// Limits of the registry API that proxies and agents serve. Each line states the unit and the trade-off.

import { Context, Effect } from "effect"
import { OciLimits } from "../oci/limits.ts"

const MiB = 1024 * 1024

export const registryLimits = {
  /** Bytes of pushed manifests that a registry holds at once. A client with more is told to come back. */
  maxGatheredManifests: 256 * MiB,
  /** Missing contents of a manifest that a refusal lists: about 100 bytes each. */
  maxMissingListed: 100,
  /** Tags that one put may move (OCI: registries must accept at least 10). */
  maxTagsPerPut: 100,
  /** Listed referrers that are looked up at once, to omit deleted ones. */
  maxParallelLookups: 8,
  /** Characters of the name of a client that changes a tag. A tag's history repeats it. */
  maxChangedByLength: 256
}

export type RegistryLimits = Readonly<typeof registryLimits>

/** The limits that the registry API reads when it is made. Tests provide others. */
export const RegistryLimits: Context.Reference<RegistryLimits> = Context.Reference(
  "shoal/roles/registry/RegistryLimits",
  {
    defaultValue: () => registryLimits
  }
)

/** The limits of the routes of the registry API. */
export type ApiLimits = RegistryLimits & OciLimits

export const apiLimits: Effect.Effect<ApiLimits> = Effect.gen(function* () {
  return { ...(yield* RegistryLimits), ...(yield* OciLimits) }
})
