// The client of an upstream registry: the digest of a tag (by HEAD, which does not count against pull limits), the
// bytes of a manifest, the presence of a blob, the bytes of a blob, and its tags.
//
// Invariants: manifest bytes hash to their digest; blob bytes come in order and in exactly the number that the
// upstream stated, with a broken transfer resumed where it broke (the receiver checks their digest); nothing is taken
// into memory beyond the limit of its kind.

import { Data, Effect, Schema, Stream } from "effect"
import type { HttpClient, HttpClientResponse } from "effect/http"
import { type Digest, digestAlgorithm, parseDigest } from "../../protocol/wire/digest.ts"
import { Referrer } from "../client/build-index-records.ts"
import { AskLimits } from "../client/limits.ts"
import { OciLimits } from "../oci/limits.ts"
import { bareMediaType, mediaTypes } from "../oci/manifest.ts"
import { isTagName, type ManifestReference } from "../oci/repository-path.ts"
import type { PageRequest } from "../registry/image-source.ts"
import { toDuration } from "../services/clock.ts"
import { Digests } from "../services/digests.ts"
import { boundedBody, discardBody } from "./bounded-body.ts"
import { UpstreamLimits } from "./limits.ts"
import type { Upstream } from "./mirror-config.ts"
import { UpstreamAway, type UpstreamError } from "./upstream-errors.ts"
import { makeUpstreamRequests } from "./upstream-requests.ts"

interface UpstreamManifest {
  readonly digest: Digest
  readonly bytes: Uint8Array
  /** The Content-Type, without parameters. */
  readonly mediaType: string | undefined
}

export interface UpstreamBlob {
  /** Undefined when the upstream does not state it. */
  readonly length: number | undefined
  /** Can be run once. */
  readonly bytes: Stream.Stream<Uint8Array, UpstreamError>
}

/** Repositories have the names that the upstream gives them. */
export interface UpstreamRegistry {
  readonly name: string
  /** The digest of a reference; undefined when the upstream has it but does not state the digest. */
  readonly head: (
    repository: string,
    reference: ManifestReference
  ) => Effect.Effect<Digest | undefined, UpstreamError>
  readonly manifest: (
    repository: string,
    reference: ManifestReference
  ) => Effect.Effect<UpstreamManifest, UpstreamError>
  /** Bytes of a blob that the upstream has; undefined when it does not state the number. */
  readonly blobLength: (
    repository: string,
    digest: Digest
  ) => Effect.Effect<number | undefined, UpstreamError>
  /** The whole blob. The first bytes have come already, so that its length is known. */
  readonly blob: (repository: string, digest: Digest) => Effect.Effect<UpstreamBlob, UpstreamError>
  readonly tags: (
    repository: string,
    page: PageRequest
  ) => Effect.Effect<ReadonlyArray<string>, UpstreamError>
  /** Manifests whose subject is this one, as the upstream lists them in one answer. */
  readonly referrers: (
    repository: string,
    subject: Digest
  ) => Effect.Effect<ReadonlyArray<Referrer>, UpstreamError>
}

const accept = Object.values(mediaTypes).join(", ")
const decodeTags = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ tags: Schema.NullOr(Schema.Array(Schema.String)) }))
)
const decodeReferrers = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ manifests: Schema.NullOr(Schema.Array(Referrer)) }))
)
const decoder = new TextDecoder()

/** A body that ended early, at a byte from which it can be resumed. */
class BrokeOff extends Data.TaggedError("BrokeOff")<{ readonly why: string }> {}

const formatReference = (reference: ManifestReference): string =>
  reference.tag === "Tag" ? reference.name : reference.digest

const lengthOf = (header: string | undefined): number | undefined =>
  /^\d{1,15}$/.test(header ?? "") ? Number(header) : undefined

export const makeUpstreamRegistry = (
  upstream: Upstream
): Effect.Effect<UpstreamRegistry, never, HttpClient.HttpClient | Digests> =>
  Effect.gen(function* () {
    const digests = yield* Digests
    const limits = yield* UpstreamLimits
    const { maxManifestBytes } = yield* OciLimits
    const { httpTimeout } = yield* AskLimits
    const request = yield* makeUpstreamRequests(upstream)
    const { name } = upstream
    const away = (why: string) => new UpstreamAway({ message: `${name} ${why}` })

    /** Reads a short answer within the time of a small request. */
    const whole = (response: HttpClientResponse.HttpClientResponse, what: string, most: number) =>
      boundedBody(response, `${what} of ${name}`, most).pipe(
        Effect.catchTag("HttpClientError", (error) =>
          Effect.fail(away(`broke off ${what}: ${error.message}`))
        ),
        Effect.timeoutOrElse({
          duration: toDuration(limits.upstreamAnswerTimeout),
          orElse: () => Effect.fail(away(`was too slow with ${what}`))
        })
      )

    const manifest: UpstreamRegistry["manifest"] = (repository, reference) =>
      Effect.gen(function* () {
        const wanted = formatReference(reference)
        const response = yield* request({
          method: "GET",
          repository,
          path: `manifests/${wanted}`,
          headers: { accept }
        })
        const what = `the manifest ${repository}@${wanted}`
        const bytes = yield* whole(response, what, maxManifestBytes)
        const stated = parseDigest(response.headers["docker-content-digest"] ?? "")
        const expected = reference.tag === "Digest" ? reference.digest : stated
        const digest = digests.digest(expected === undefined ? "sha256" : digestAlgorithm(expected), bytes)
        if (expected !== undefined && digest !== expected) {
          return yield* away(`gave ${digest} for ${what}, which is ${expected}`)
        }
        return { digest, bytes, mediaType: bareMediaType(response.headers["content-type"]) }
      })

    const openBlob = (repository: string, digest: Digest, at: number) =>
      Effect.gen(function* () {
        const response = yield* request({
          method: "GET",
          repository,
          path: `blobs/${digest}`,
          ...(at === 0 ? {} : { headers: { range: `bytes=${at}-` } })
        })
        if (at === 0) return { bytes: response.stream, length: lengthOf(response.headers["content-length"]) }
        const given = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(response.headers["content-range"] ?? "")
        if (response.status === 206 && given !== null && Number(given[1]) === at) {
          return { bytes: response.stream, length: Number(given[2]) }
        }
        if (response.status === 200) {
          // The upstream supports no ranges: bytes that are already here are skipped.
          const length = lengthOf(response.headers["content-length"])
          return { bytes: dropBytes(response.stream, at), length }
        }
        yield* discardBody(response, limits.maxRefusalBytes)
        return yield* away(`answered a range of ${digest} with another one`)
      })

    const blob: UpstreamRegistry["blob"] = (repository, digest) =>
      Effect.map(openBlob(repository, digest, 0), (opened) => {
        let { length } = opened
        let at = 0
        let breaks = 0

        const read = (from: typeof opened): Stream.Stream<Uint8Array, BrokeOff> => {
          length ??= from.length
          return from.bytes.pipe(
            Stream.map((chunk) => {
              at += chunk.byteLength
              return chunk
            }),
            Stream.mapError((error) => new BrokeOff({ why: error.message.slice(0, 200) })),
            Stream.timeoutOrElse({
              duration: toDuration(httpTimeout),
              orElse: () => Stream.fail(new BrokeOff({ why: `no byte for ${httpTimeout / 1_000_000} s` }))
            }),
            Stream.concat(
              Stream.suspend(() =>
                length === undefined || at >= length
                  ? Stream.empty
                  : Stream.fail(new BrokeOff({ why: `${length - at} bytes are missing` }))
              )
            )
          )
        }

        const continued = (
          bytes: Stream.Stream<Uint8Array, UpstreamError | BrokeOff>
        ): Stream.Stream<Uint8Array, UpstreamError> =>
          Stream.catch(bytes, (error) => {
            if (error._tag !== "BrokeOff") return Stream.fail(error)
            breaks++
            return breaks <= limits.maxUpstreamBreaks
              ? continued(Stream.unwrap(Effect.map(openBlob(repository, digest, at), read)))
              : Stream.fail(away(`broke off ${digest} ${breaks} times: ${error.why}`))
          })

        return { length, bytes: continued(Stream.suspend(() => read(opened))) }
      })

    return {
      name,
      manifest,
      blob,
      referrers: (repository, subject) =>
        Effect.gen(function* () {
          const path = `referrers/${subject}`
          const response = yield* request({
            method: "GET",
            repository,
            path,
            headers: { accept: mediaTypes.ociIndex }
          })
          const bytes = yield* whole(response, `the referrers of ${subject}`, maxManifestBytes)
          const listed = yield* Effect.mapError(decodeReferrers(decoder.decode(bytes)), () =>
            away(`answered something other than the referrers of ${subject}`)
          )
          return listed.manifests ?? []
        }),
      head: (repository, reference) =>
        Effect.gen(function* () {
          const path = `manifests/${formatReference(reference)}`
          const response = yield* request({ method: "HEAD", repository, path, headers: { accept } })
          yield* discardBody(response, limits.maxRefusalBytes)
          return parseDigest(response.headers["docker-content-digest"] ?? "")
        }),
      blobLength: (repository, digest) =>
        Effect.gen(function* () {
          const response = yield* request({ method: "HEAD", repository, path: `blobs/${digest}` })
          yield* discardBody(response, limits.maxRefusalBytes)
          return lengthOf(response.headers["content-length"])
        }),
      tags: (repository, page) =>
        Effect.gen(function* () {
          const last = page.last === undefined ? "" : `&last=${encodeURIComponent(page.last)}`
          const response = yield* request({
            method: "GET",
            repository,
            path: `tags/list?n=${page.limit}${last}`
          })
          const bytes = yield* whole(response, `the tags of ${repository}`, maxManifestBytes)
          const listed = yield* Effect.mapError(decodeTags(decoder.decode(bytes)), () =>
            away(`answered something other than the tags of ${repository}`)
          )
          const { last: after } = page
          return (listed.tags ?? [])
            .filter((tag) => isTagName(tag) && (after === undefined || tag > after))
            .sort((one, other) => (one < other ? -1 : 1))
            .slice(0, page.limit)
        })
    }
  })

/** A stream without its first `count` bytes. */
const dropBytes = <E>(bytes: Stream.Stream<Uint8Array, E>, count: number): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let left = count
    return Stream.map(bytes, (chunk) => {
      const dropped = Math.min(left, chunk.byteLength)
      left -= dropped
      return chunk.subarray(dropped)
    })
  })
