// Parser of manifests: media type, subject, and the blobs and manifests that must exist before a manifest is
// accepted. It reads the bytes and never changes them; other fields are ignored.
//
// Config, layers, blobs and child manifests are required. A layer with urls or of a non-distributable type is stored
// elsewhere and not required, and neither is the subject (OCI: a missing subject MUST be accepted).

import { Exit, Schema } from "effect"
import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import { ociLimits } from "./limits.ts"
import { isMediaType } from "./media-type.ts"

export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json"
} as const

export interface NamedContent {
  readonly kind: "config" | "layer" | "manifest"
  readonly digest: Digest
  readonly size: number
  readonly mediaType: string
}

export interface ManifestContent {
  readonly mediaType: string
  /** The content that must exist: each digest once, in the order of the manifest. */
  readonly names: ReadonlyArray<NamedContent>
  readonly subject: Digest | undefined
  /** The type in a referrer's descriptor: the document's artifactType, or else the media type of the config. */
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

export interface ManifestRefused {
  readonly tag: "ManifestRefused"
  readonly reason: string
}

const DigestText = Schema.String.check(
  Schema.makeFilter(
    (text) => parseDigest(text) !== undefined || "a digest: sha256:<64 hex> or sha512:<128 hex>"
  )
)

const Descriptor = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: DigestText,
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  urls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
})

const descriptors = Schema.optionalKey(Schema.NullOr(Schema.Array(Descriptor)))

const Document = Schema.Struct({
  schemaVersion: Schema.optionalKey(Schema.Number),
  mediaType: Schema.optionalKey(Schema.String),
  config: Schema.optionalKey(Schema.NullOr(Descriptor)),
  layers: descriptors,
  manifests: descriptors,
  /** The artifact manifest of OCI 1.1 release candidates. */
  blobs: descriptors,
  subject: Schema.optionalKey(Schema.NullOr(Descriptor)),
  artifactType: Schema.optionalKey(Schema.NullOr(Schema.String)),
  annotations: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
})

const decodeDocument = Schema.decodeUnknownExit(Document)

const isElsewhere = (descriptor: typeof Descriptor.Type): boolean =>
  (descriptor.urls?.length ?? 0) > 0 ||
  (descriptor.mediaType !== undefined &&
    /\.layer\.nondistributable\.|\.image\.rootfs\.foreign\./.test(descriptor.mediaType))

/** A Content-Type without parameters; undefined if it is absent or too general to tell the type of a manifest. */
export const bareMediaType = (contentType: string | undefined): string | undefined => {
  const [type = ""] = (contentType ?? "").split(";", 1)
  const bare = type.trim()
  return bare === "" || bare === "application/octet-stream" || bare === "application/json" ? undefined : bare
}

/**
 * Parses a manifest. Its media type is that of the Content-Type header, or else the document's mediaType, or else the
 * type that its structure implies. A header that contradicts the document is an error.
 */
export const parseManifest = (
  bytes: Uint8Array,
  contentType: string | undefined
): ManifestContent | ManifestRefused => {
  const refused = (reason: string): ManifestRefused => ({ tag: "ManifestRefused", reason })
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return refused("the manifest is not JSON")
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return refused("the manifest is JSON but not an object")
  }
  const exit = decodeDocument(json)
  if (Exit.isFailure(exit)) return refused(`the manifest is malformed: ${oneLine(String(exit.cause))}`)
  const document = exit.value

  const told = bareMediaType(contentType)
  if (told !== undefined && document.mediaType !== undefined && told !== document.mediaType) {
    return refused(`the Content-Type is ${told} but the manifest's mediaType is ${document.mediaType}`)
  }
  const structure =
    document.manifests != null
      ? mediaTypes.ociIndex
      : document.config != null || document.layers != null
        ? mediaTypes.ociManifest
        : undefined
  const mediaType = told ?? document.mediaType ?? structure
  if (mediaType === undefined) {
    return refused(
      "the manifest has no media type: no Content-Type, no mediaType, no config, layers or manifests"
    )
  }
  if (mediaType.startsWith("application/vnd.docker.distribution.manifest.v1")) {
    return refused("docker's schema 1 is not supported: push schema 2 or OCI")
  }
  if (!isMediaType(mediaType)) {
    return refused(`the media type ${JSON.stringify(mediaType.slice(0, 100))} is not a type and a subtype`)
  }
  const known = Object.values(mediaTypes).some((type) => type === mediaType)
  if (known && document.schemaVersion !== 2) {
    return refused(`schemaVersion is ${document.schemaVersion ?? "missing"}, it must be 2`)
  }

  const names = new Map<Digest, NamedContent>()
  const name = (kind: NamedContent["kind"], descriptor: typeof Descriptor.Type): void => {
    const digest = descriptor.digest as Digest
    if (isElsewhere(descriptor) || names.has(digest)) return
    names.set(digest, { kind, digest, size: descriptor.size, mediaType: descriptor.mediaType ?? "" })
  }
  if (document.config != null) name("config", document.config)
  for (const layer of document.layers ?? []) name("layer", layer)
  for (const blob of document.blobs ?? []) name("layer", blob)
  for (const child of document.manifests ?? []) name("manifest", child)
  if (names.size > ociLimits.maxManifestNames) {
    return refused(
      `the manifest names ${names.size} blobs and manifests, more than ${ociLimits.maxManifestNames}`
    )
  }
  const ownType = document.artifactType ?? ""
  const artifactType = ownType === "" ? document.config?.mediaType : ownType
  return {
    mediaType,
    names: [...names.values()],
    subject: document.subject?.digest as Digest | undefined,
    artifactType: artifactType === "" ? undefined : artifactType,
    annotations: textAnnotations(document.annotations)
  }
}

/** The annotations that are text; the spec requires all of them to be. */
const textAnnotations = (
  annotations: Readonly<Record<string, unknown>> | null | undefined
): Readonly<Record<string, string>> | undefined => {
  const entries = Object.entries(annotations ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string"
  )
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

export const isManifestRefused = (value: ManifestContent | ManifestRefused): value is ManifestRefused =>
  "tag" in value

const oneLine = (text: string): string => text.replace(/\s+/g, " ").slice(0, 500)
