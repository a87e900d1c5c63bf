// Requests of hostile clients to the listeners of a cluster: near enough to good ones to get far, and broken
// somewhere: path, query, headers, body. A request may name what other requests of the same run made: an upload, a
// digest.

import fc from "fast-check"
import { mediaTypes } from "../../src/roles/oci/manifest.ts"
import {
  anyBody,
  encode,
  type HostileBody,
  likelyManifest,
  type RoleDocument,
  roleDocument
} from "./hostile-bodies.ts"
import {
  contentType,
  digest,
  headerText,
  hostileText,
  internal,
  nameOf,
  number,
  type Part,
  path,
  reference,
  repository,
  tag,
  upload
} from "./hostile-text.ts"

/** The kind of a listener. */
export type ListenerKind = "registry" | "origin" | "tracker" | "build-index"

export interface HostileRequest {
  /** Index of a listener. */
  readonly listener: number
  readonly method: string
  /** Path and query as in the request line. `targetOf` inserts the names. */
  readonly target: ReadonlyArray<Part>
  readonly headers: Readonly<Record<string, string>>
  readonly body: HostileBody
}

type Target = fc.Arbitrary<ReadonlyArray<Part>>

/** The paths of each kind of listener. */
const targets: Record<ListenerKind, Target> = {
  registry: fc.oneof(
    path("/v2/"),
    path("/v2"),
    path("/v2/_catalog"),
    path("/v2/", repository, "/tags/list"),
    { weight: 2, arbitrary: path("/v2/", repository, "/manifests/", reference) },
    { weight: 2, arbitrary: path("/v2/", repository, "/blobs/", digest) },
    { weight: 2, arbitrary: path("/v2/", repository, "/blobs/uploads/") },
    path("/v2/", repository, "/blobs/uploads"),
    { weight: 4, arbitrary: path("/v2/", repository, "/blobs/uploads/", upload) },
    path("/v2/", repository, "/referrers/", digest),
    path("/v2/", repository, "/_shoal/tags/", tag, "/history"),
    path("/v2/", hostileText),
    path("/preheat/", hostileText),
    path("/preheats/", hostileText),
    path("/oapi/v1/jobs/", hostileText)
  ),
  origin: fc.oneof(
    { weight: 3, arbitrary: path("/namespace/", repository, "/blobs/", digest) },
    path("/namespace/", repository, "/blobs/", digest, "/metainfo"),
    path("/namespace/", hostileText),
    path("/internal/peer"),
    { weight: 2, arbitrary: path("/internal/blobs/", digest) },
    path("/internal/blobs/", digest, "/metainfo"),
    path("/internal/", hostileText)
  ),
  tracker: fc.oneof(
    path("/namespace/", repository, "/blobs/", digest, "/metainfo"),
    path("/namespace/", repository, "/blobs/", digest),
    path("/namespace/", hostileText),
    path("/agents"),
    path("/announce")
  ),
  "build-index": fc.oneof(
    path("/repositories"),
    path("/repositories/", internal, "/tags"),
    path("/repositories/", internal, "/tags/", tag),
    path("/repositories/", internal, "/tags/", tag, "/history"),
    path("/repositories/", internal, "/manifests/", digest),
    path("/repositories/", internal, "/blobs/", digest),
    path("/repositories/", internal, "/referrers/", digest),
    path("/repositories/", hostileText),
    path("/references"),
    path("/collect")
  )
}

/** Paths that every listener may get. */
const anywhere: Target = fc.oneof(
  fc.constantFrom<ReadonlyArray<Part>>(
    ["/health"],
    ["/readiness"],
    ["/metrics"],
    ["/"],
    ["//"],
    ["/v2//"],
    ["*"],
    ["/%"],
    ["/v2/%"],
    ["/v2/../v2/"]
  ),
  path("/", hostileText)
)

const queryValue: fc.Arbitrary<Part> = fc.oneof(
  number,
  hostileText.map((text) => text.replaceAll("&", "")),
  nameOf("digests"),
  nameOf("repositories"),
  nameOf("tags")
)
const queryKey = fc.constantFrom(
  "n",
  "last",
  "digest",
  "mount",
  "from",
  "tag",
  "digest-algorithm",
  "artifactType",
  "ns",
  "metainfo",
  "renew",
  "agents",
  "__proto__",
  "x"
)
const query: fc.Arbitrary<ReadonlyArray<Part>> = fc.oneof(
  fc.constant([]),
  fc
    .array(fc.tuple(queryKey, queryValue), { minLength: 1, maxLength: 4 })
    .map((pairs) => pairs.flatMap(([key, value], at): Part[] => [`${at === 0 ? "?" : "&"}${key}=`, value])),
  hostileText.map((text) => [`?${text}`])
)

const byteRange = fc.oneof(
  fc.tuple(number, number).map(([from, to]) => `bytes=${from}-${to}`),
  fc
    .array(
      fc.tuple(number, number).map(([from, to]) => `${from}-${to}`),
      { maxLength: 60 }
    )
    .map((ranges) => `bytes=${ranges.join(",")}`),
  fc.constantFrom("bytes", "bytes=", "bytes=-", "bytes=,", "bytes=0-0,-1", "items=0-1", "bytes=0-0;q=1")
)

const headers: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .record(
    {
      range: byteRange,
      "if-range": fc.oneof(headerText, fc.constantFrom('"x"', "W/", "Sun, 06 Nov 1994 08:49:37 GMT")),
      "if-none-match": fc.oneof(headerText, fc.constantFrom("*", '"x", W/"y"', ",,,")),
      "if-match": fc.oneof(headerText, fc.constantFrom("*", '"x"')),
      "content-range": fc.oneof(
        fc.tuple(number, number).map(([from, to]) => `${from}-${to}`),
        fc.tuple(number, number).map(([from, to]) => `bytes ${from}-${to}/*`),
        headerText
      ),
      "content-type": contentType,
      accept: fc.oneof(headerText, fc.constantFrom("*/*", mediaTypes.ociIndex)),
      authorization: headerText,
      cookie: headerText,
      "user-agent": fc.oneof(headerText, fc.constant("u".repeat(5000))),
      "x-forwarded-for": headerText,
      expect: fc.constant("100-continue")
    },
    { requiredKeys: [] }
  )
  .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))

const method = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") },
  fc.constantFrom("OPTIONS", "TRACE", "PROPFIND", "QUERY")
)

/** Targets of documents that a role understands. */
const documentTargets: ReadonlyArray<readonly [ListenerKind, RoleDocument, string, Target]> = [
  ["tracker", "announce", "POST", path("/announce")],
  ["tracker", "agents", "POST", path("/agents")],
  ["build-index", "references", "POST", path("/references")],
  ["build-index", "manifests", "PUT", path("/repositories/", internal, "/manifests/", digest)],
  ["build-index", "blobs", "PUT", path("/repositories/", internal, "/blobs/", digest)],
  ["registry", "preheat", "POST", path("/preheat")],
  ["registry", "preheat", "POST", path("/preheats")],
  ["registry", "preheat", "POST", path("/oapi/v1/jobs")],
  ["registry", "notifications", "POST", path("/registry/notifications")]
]

/** Requests to the listeners. `known` are digests; `contents` are bytes, some of which have these digests. */
export const hostileRequest = (
  kinds: ReadonlyArray<ListenerKind>,
  known: ReadonlyArray<string>,
  contents: ReadonlyArray<Uint8Array>
): fc.Arbitrary<HostileRequest> => {
  /** A listener of this kind, or sometimes any. */
  const listenerOf = (kind: ListenerKind) =>
    fc.oneof(
      { weight: 10, arbitrary: fc.constantFrom(...kinds.flatMap((each, at) => (each === kind ? [at] : []))) },
      fc.nat({ max: kinds.length - 1 })
    )

  const anyRequest = (kind: ListenerKind, target: Target) =>
    fc.record({
      listener: listenerOf(kind),
      method,
      target: fc.tuple(target, query).map(([first, rest]) => [...first, ...rest]),
      headers,
      body: anyBody(known, contents)
    })

  /** Pushes of manifests that are accepted, which reads of the same tags then find. */
  const likelyPut = fc.record({
    listener: listenerOf("registry"),
    method: fc.constant("PUT"),
    target: path("/v2/", nameOf("repositories"), "/manifests/", nameOf("tags")),
    headers: fc.oneof(
      fc.constant({}),
      contentType.map((type) => ({ "content-type": type }))
    ),
    body: likelyManifest(known).map((document) => ({ kind: "bytes", bytes: encode(document) }) as const)
  })

  const documents = documentTargets.map(([kind, document, method, target]) =>
    fc.record({
      listener: listenerOf(kind),
      method: fc.constant(method),
      target,
      headers: fc.constant({}),
      body: roleDocument(document, known)
    })
  )

  return fc.oneof(
    { weight: 12, arbitrary: anyRequest("registry", targets.registry) },
    { weight: 4, arbitrary: anyRequest("origin", targets.origin) },
    { weight: 2, arbitrary: anyRequest("tracker", targets.tracker) },
    { weight: 4, arbitrary: anyRequest("build-index", targets["build-index"]) },
    { weight: 1, arbitrary: anyRequest("registry", anywhere) },
    { weight: 3, arbitrary: likelyPut },
    { weight: 4, arbitrary: fc.oneof(...documents) }
  )
}

/** Chunks of one upload as a hostile client sends them: out of order, overlapping, at once, ended too early. */
export interface HostileChunk {
  readonly method: "PATCH" | "PUT" | "GET" | "DELETE"
  readonly contentRange: string | undefined
  readonly bytes: Uint8Array
  readonly digest: Part
}

export const hostileChunks = (whole: Uint8Array): fc.Arbitrary<ReadonlyArray<HostileChunk>> => {
  const offset = fc.nat({ max: whole.byteLength })
  return fc.array(
    fc.record({
      method: fc.constantFrom("PATCH", "PATCH", "PATCH", "PATCH", "PUT", "GET", "DELETE"),
      bytes: fc
        .tuple(offset, offset)
        .map(([from, to]) => whole.slice(Math.min(from, to), Math.max(from, to))),
      contentRange: fc.option(
        fc.oneof(
          fc.tuple(offset, offset).map(([from, to]) => `${from}-${to}`),
          fc.tuple(number, number).map(([from, to]) => `${from}-${to}`)
        ),
        { nil: undefined }
      ),
      digest
    }),
    { minLength: 1, maxLength: 8 }
  )
}
