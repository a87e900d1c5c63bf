// Test records of a build-index: digests of one repeated letter, and small manifests.

import type { Digest } from "../../src/protocol/wire/digest.ts"
import type { ManifestRecord } from "../../src/roles/client/build-index-records.ts"

export const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest

export const record = (letter: string, more: Partial<ManifestRecord> = {}): ManifestRecord => ({
  digest: digest(letter),
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  size: 7,
  names: [],
  ...more
})
