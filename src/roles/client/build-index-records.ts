// Decides what a build-index says and is told, as JSON: records of manifests and tags, links, a tag's history, and
// descriptors of referrers. It refuses to know paths and tables.

import { Schema } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { DigestText, TagText } from "../http/wire-schema.ts"
import { ociLimits } from "../oci/limits.ts"
import type { ManifestContent } from "../oci/manifest.ts"
import { mediaTypePattern } from "../oci/media-type.ts"
import { registryLimits } from "../registry/limits.ts"
import { askLimits } from "./limits.ts"

/** Milliseconds since 1970. */
const Time = Schema.Int
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const described = {
  digest: DigestText,
  mediaType: Schema.String.check(Schema.isPattern(mediaTypePattern)),
  /** Bytes. */
  size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: ociLimits.largestManifestBytes }))
}

/** Name and value of OCI's annotations. */
const Annotations = Schema.Record(Schema.String, Schema.String)

/** What is known of a manifest without reading it. */
export const ManifestRecord = Schema.Struct({
  ...described,
  /** Config, layers and child manifests: what must stay as long as the manifest does. */
  names: Schema.Array(DigestText).check(Schema.isMaxLength(ociLimits.maxManifestNames)),
  subject: Schema.optionalKey(DigestText),
  artifactType: Schema.optionalKey(Schema.String),
  annotations: Schema.optionalKey(Annotations)
}).annotate({ identifier: "ManifestRecord" })
export type ManifestRecord = typeof ManifestRecord.Type

/** The record of a manifest of `size` bytes. */
export const manifestRecord = (digest: Digest, size: number, content: ManifestContent): ManifestRecord => {
  const { mediaType, names, subject, artifactType, annotations } = content
  return {
    digest,
    mediaType,
    size,
    names: names.map((named) => named.digest),
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations })
  }
}

/** A manifest as it is kept. `putAt` is when it was last put. */
export const KeptManifest = Schema.Struct({ ...ManifestRecord.fields, putAt: Time })
export type KeptManifest = typeof KeptManifest.Type

/** Where a tag points. `version` grows with every change at the build-index, so a tag never goes back to a lower one. */
const TagRecord = Schema.Struct({
  ...described,
  version: Count,
  changedAt: Time,
  /** Seconds since an upstream registry said so. Absent: this build-index is the tag's truth. */
  age: Schema.optionalKey(Count)
})

/**
 * What a reader is told along: `deletions` is the version of the repository's last deletion of a manifest or blob, so
 * while it stays, whatever the repository was said to have is there. Versions of another `epoch` are of tables that
 * began anew, and are not compared.
 */
const stateFields = { deletions: Count, epoch: Schema.String }
export interface RepositoryState {
  readonly deletions: number
  readonly epoch: string
}

/** A tag with what its manifest names; `missing` are those of the names that were deleted from the repository. */
export const TagAnswer = Schema.Struct({
  ...TagRecord.fields,
  ...stateFields,
  names: Schema.Array(DigestText),
  missing: Schema.optionalKey(Schema.Array(DigestText))
}).annotate({ identifier: "TagAnswer" })
export type TagAnswer = typeof TagAnswer.Type

export const ManifestAnswer = Schema.Struct({
  ...KeptManifest.fields,
  ...stateFields,
  missing: Schema.optionalKey(Schema.Array(DigestText))
}).annotate({ identifier: "ManifestAnswer" })
export type ManifestAnswer = typeof ManifestAnswer.Type

export const LinkAnswer = Schema.Struct(stateFields).annotate({ identifier: "LinkAnswer" })
export type LinkAnswer = typeof LinkAnswer.Type

/** A tag's own row: what it names is in the manifest's. */
export const TagRow = Schema.Struct({ digest: DigestText, version: Count, changedAt: Time })

/** Who changes a tag, and under which name the change is known if its answer gets lost and it is asked for again. */
export const ChangeBy = Schema.Struct({
  by: Schema.String.check(Schema.isMaxLength(registryLimits.maxChangedByLength)),
  operation: Schema.String.check(Schema.isMaxLength(64))
})
export type ChangeBy = typeof ChangeBy.Type

export const ManifestPut = Schema.Struct({
  ...ChangeBy.fields,
  record: ManifestRecord,
  /** The tags that move to it. */
  tags: Schema.Array(TagText).check(Schema.isMaxLength(registryLimits.maxTagsPerPut))
}).annotate({ identifier: "ManifestPut" })
export type ManifestPut = typeof ManifestPut.Type

/** A blob of a repository. `at` is when somebody last relied on it. */
export const LinkRecord = Schema.Struct({ size: Count, at: Time })
export type LinkRecord = typeof LinkRecord.Type

export const LinkPut = Schema.Struct({ size: Count }).annotate({ identifier: "LinkPut" })

/** A change of a tag; without a digest it was deleted. */
export const HistoryEntry = Schema.Struct({
  ...ChangeBy.fields,
  version: Count,
  at: Time,
  digest: Schema.optionalKey(DigestText)
}).annotate({ identifier: "HistoryEntry" })
export type HistoryEntry = typeof HistoryEntry.Type

/** Last change first. */
export const History = Schema.Struct({ history: Schema.Array(HistoryEntry) }).annotate({
  identifier: "History"
})

/** OCI's descriptor of a manifest that refers to another. */
export const Referrer = Schema.Struct({
  mediaType: Schema.String,
  digest: DigestText,
  size: Count,
  artifactType: Schema.optionalKey(Schema.String),
  annotations: Schema.optionalKey(Annotations)
}).annotate({ identifier: "Referrer" })
export type Referrer = typeof Referrer.Type

export const Referrers = Schema.Struct({
  /** Sorted by digest. */
  referrers: Schema.Array(Referrer),
  /** More follow the last one. */
  more: Schema.Boolean,
  /** What the fallback tag (OCI: "Referrers Tag Schema") of the subject names, if there is one. */
  fallback: Schema.optionalKey(TagRecord)
}).annotate({ identifier: "Referrers" })
export type Referrers = typeof Referrers.Type

/** A sorted listing's page. */
export const Names = Schema.Struct({ names: Schema.Array(Schema.String) }).annotate({ identifier: "Names" })

export const References = Schema.Struct({
  digests: Schema.Array(DigestText).check(Schema.isMaxLength(askLimits.maxReferencesAsked))
}).annotate({ identifier: "References" })

/** What a client knows of a tag: while all of it stays, its answer would be the same. */
export const tagEntity = ({
  epoch,
  version,
  deletions
}: RepositoryState & { readonly version: number }): string => `"${epoch}.${version}.${deletions}"`
