// The JSON that a build-index sends and receives: records of manifests and tags, links, a tag's history, and
// descriptors of referrers. It does not know paths and tables.

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

/** Names and values of OCI's annotations. */
const Annotations = Schema.Record(Schema.String, Schema.String)

/** The facts of a manifest that are known without reading it. */
export const ManifestRecord = Schema.Struct({
  ...described,
  /** Config, layers and child manifests, which must stay as long as the manifest does. */
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

/** A stored manifest. `putAt` is the time of its last put. */
export const KeptManifest = Schema.Struct({ ...ManifestRecord.fields, putAt: Time })
export type KeptManifest = typeof KeptManifest.Type

/**
 * The position of a tag. `version` grows with every change at the build-index, so a tag never returns to a lower one.
 */
const TagRecord = Schema.Struct({
  ...described,
  version: Count,
  changedAt: Time,
  /** Seconds since an upstream registry confirmed it. When absent, this build-index is the tag's truth. */
  age: Schema.optionalKey(Count)
})

/**
 * The state of a repository that accompanies an answer. `deletions` is the version of its last deletion of a manifest
 * or blob: while it stays the same, everything that the repository was said to have is there. Versions of another
 * `epoch` belong to tables that began anew, and are not compared.
 */
const stateFields = { deletions: Count, epoch: Schema.String }
export interface RepositoryState {
  readonly deletions: number
  readonly epoch: string
}

/** A tag with the contents that its manifest names. `missing` are those that were deleted from the repository. */
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

/** A tag's own row. The manifest's row has the named contents. */
export const TagRow = Schema.Struct({ digest: DigestText, version: Count, changedAt: Time })

/** The part of an author's name that a change holds. */
export const authorOf = (name: string): string => name.slice(0, registryLimits.maxChangedByLength)

/** The author of a tag's change, and the name under which a change is repeated when its answer was lost. */
export const ChangeBy = Schema.Struct({
  by: Schema.String.check(Schema.isMaxLength(registryLimits.maxChangedByLength)),
  operation: Schema.String.check(Schema.isMaxLength(64))
})
export type ChangeBy = typeof ChangeBy.Type

export const ManifestPut = Schema.Struct({
  ...ChangeBy.fields,
  record: ManifestRecord,
  /** The tags that move to the manifest. */
  tags: Schema.Array(TagText).check(Schema.isMaxLength(registryLimits.maxTagsPerPut))
}).annotate({ identifier: "ManifestPut" })
export type ManifestPut = typeof ManifestPut.Type

/** A blob of a repository. `at` is the last time that a client relied on it. */
export const LinkRecord = Schema.Struct({ size: Count, at: Time })
export type LinkRecord = typeof LinkRecord.Type

export const LinkPut = Schema.Struct({ size: Count }).annotate({ identifier: "LinkPut" })

/** A change of a tag. An entry without a digest is a deletion. */
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
  /** Whether more follow the last one. */
  more: Schema.Boolean,
  /** The manifest of the subject's fallback tag (OCI: "Referrers Tag Schema"), if there is one. */
  fallback: Schema.optionalKey(TagRecord)
}).annotate({ identifier: "Referrers" })
export type Referrers = typeof Referrers.Type

/** A page of a sorted listing. */
export const Names = Schema.Struct({ names: Schema.Array(Schema.String) }).annotate({ identifier: "Names" })

export const References = Schema.Struct({
  digests: Schema.Array(DigestText).check(Schema.isMaxLength(askLimits.maxReferencesAsked))
}).annotate({ identifier: "References" })

/** The name of the state of a tag's answer, for its entity tag: while it stays the same, so does the answer. */
export const tagStateName = ({
  epoch,
  version,
  deletions
}: RepositoryState & { readonly version: number }): string => `${epoch}.${version}.${deletions}`
