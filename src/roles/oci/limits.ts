// Limits of a registry's documents and requests. Each line states the unit, the formula or the trade-off.

import { Context } from "effect"

const KiB = 1024
const MiB = 1024 * KiB

export const ociLimits = {
  /** Characters of a repository's name. Many clients limit host and name together to 255; both ends agree on it. */
  maxRepositoryLength: 255,
  /** Bytes of a manifest (OCI: registries should accept at least 4 MiB). */
  maxManifestBytes: 4 * MiB,
  /** Maximum of that limit in a configuration: a manifest is held in memory while it is checked and sent. */
  largestManifestBytes: 64 * MiB,
  /**
   * Contents that one manifest may name. Each costs a row of one write: 10,000 block a build-index for half a second.
   */
  maxManifestNames: 10_000,
  /** Entries of a page of tags or repositories when the client states no number, or a higher one. */
  defaultPageSize: 1000,
  maxPageSize: 10_000,
  /**
   * Ranges of one request. Container tools that fetch chunks request up to 1024 at once. Each costs a header of some
   * 170 bytes in the answer.
   */
  maxRanges: 1024,
  /** Ranges of a request that may overlap another one. More only multiply the sent bytes (RFC 9110, section 14.2). */
  maxRangeOverlaps: 2
}

export type OciLimits = Readonly<typeof ociLimits>

/** The limits that a registry reads when it is made. Tests provide others. */
export const OciLimits: Context.Reference<OciLimits> = Context.Reference("shoal/roles/oci/OciLimits", {
  defaultValue: () => ociLimits
})
