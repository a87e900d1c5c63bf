// Tests of manifest pushes over a sink of the test: the limits of size and number, the tags of a push by digest, and
// the explanation of missing content.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { HttpClientRequest, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { describe } from "vitest"
import { settle } from "../../../testing/roles/settle.ts"
import { type Digest, type DigestAlgorithm, makeDigest } from "../../protocol/wire/digest.ts"
import { mediaTypes } from "../oci/manifest.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import type { ManifestReference } from "../oci/repository-path.ts"
import { changedBy } from "./changed-by.ts"
import { type ImageSink, SinkUnavailable } from "./image-sink.ts"
import { registryLimits } from "./limits.ts"
import { makeManifestPut } from "./manifest-put.ts"

const digest = (algorithm: DigestAlgorithm, bytes: Uint8Array) =>
  makeDigest(algorithm, createHash(algorithm).update(bytes).digest())
const layer = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest

/** A manifest of exactly `length` bytes, in JSON with spaces at its end. */
const manifestOf = (length: number, document: object = {}) =>
  new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, layers: [], ...document }).padEnd(
      length
    )
  )

type Put = Parameters<ImageSink["putManifest"]>[1]

/** A push handler with these limits, whose sink records what it gets and fails as the test says. */
const scene = (limits: Partial<typeof registryLimits> = {}, maxBytes = 1000) => {
  const stored: Put[] = []
  const made = {
    stored,
    failure: undefined as OciError | SinkUnavailable | undefined,
    push: (
      body: Uint8Array | Stream.Stream<Uint8Array, unknown>,
      reference: ManifestReference = { tag: "Tag", name: "1" },
      tag: string | ReadonlyArray<string> = [],
      contentLength?: number
    ): Effect.Effect<HttpServerResponse.HttpServerResponse, OciError> => {
      const request = HttpClientRequest.put("http://registry/v2/demo/app/manifests/1").pipe(
        body instanceof Uint8Array
          ? HttpClientRequest.bodyUint8Array(body, mediaTypes.ociManifest)
          : HttpClientRequest.bodyStream(body, { contentType: mediaTypes.ociManifest, contentLength })
      )
      return put("demo/app", reference).pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromClientRequest(request)
        ),
        Effect.provideService(HttpServerRequest.ParsedSearchParams, { tag: tag as string | string[] })
      )
    }
  }
  const sink = {
    putManifest: (_: string, manifest: Put) => {
      if (made.failure !== undefined) return Effect.fail(made.failure)
      stored.push(manifest)
      return Effect.void
    }
  } as unknown as ImageSink
  const digests = { digest, swarmId: () => "" as never }
  const put = makeManifestPut(sink, digests, maxBytes, { ...registryLimits, ...limits })
  return made
}

const refusal = (pushed: Effect.Effect<HttpServerResponse.HttpServerResponse, OciError>) =>
  Effect.match(pushed, {
    onSuccess: ({ status }) => String(status),
    onFailure: ({ status, code }) => `${status} ${code}`
  })

describe("a manifest", () => {
  it.effect("may have exactly the limit of bytes, whether its length is declared or not", () =>
    Effect.gen(function* () {
      const { push, stored } = scene()
      for (const [length, answer] of [
        [1000, "201"],
        [1001, "413 SIZE_INVALID"]
      ] as const) {
        const bytes = manifestOf(length)
        assert.strictEqual(yield* refusal(push(bytes)), answer)
        const chunks = Stream.fromArray([bytes.slice(0, 400), bytes.slice(400)])
        assert.strictEqual(yield* refusal(push(Stream.rechunk(chunks, 1))), answer)
      }
      assert.deepStrictEqual(
        stored.map(({ bytes }) => bytes),
        [manifestOf(1000), manifestOf(1000)]
      )
    })
  )

  it.effect("of a declared length above the limit is refused without reading it", () =>
    Effect.gen(function* () {
      const { push } = scene()
      const unread = Stream.die("the body was read")
      assert.strictEqual(
        yield* refusal(push(unread, { tag: "Tag", name: "1" }, [], 1001)),
        "413 SIZE_INVALID"
      )
      assert.strictEqual(yield* refusal(push(manifestOf(1000))), "201")
    })
  )

  it.effect("waits for its turn if the manifests in memory reach their limit", () =>
    Effect.gen(function* () {
      const { push } = scene({ maxGatheredManifests: 1000 })
      const half = Stream.concat(Stream.succeed(manifestOf(600).slice(0, 600)), Stream.never)
      const first = yield* Effect.forkChild(Effect.exit(push(half)))
      yield* settle
      assert.strictEqual(yield* refusal(push(manifestOf(400))), "201")
      const refused = yield* Effect.flip(push(manifestOf(401)))
      assert.deepStrictEqual(
        [refused.status, refused.code, refused.headers["retry-after"]],
        [429, "TOOMANYREQUESTS", "1"]
      )
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* refusal(push(manifestOf(1000))), "201")
    })
  )

  it.effect("pushed by digest must match it, and moves each tag of the query once", () =>
    Effect.gen(function* () {
      const { push, stored } = scene({ maxTagsPerPut: 3 })
      const bytes = manifestOf(0, { subject: { digest: layer(1), size: 1 } })
      for (const algorithm of ["sha256", "sha512"] as const) {
        const reference = { tag: "Digest", digest: digest(algorithm, bytes) } as const
        const { headers } = yield* push(bytes, reference, ["a", "b", "a", "c"])
        assert.strictEqual(headers["oci-tag"], "a, b, c")
        assert.strictEqual(headers["oci-subject"], layer(1))
        assert.strictEqual(headers["docker-content-digest"], reference.digest)
        assert.strictEqual(headers.location, `/v2/demo/app/manifests/${reference.digest}`)
        assert.strictEqual(yield* refusal(push(bytes, reference, ["a", "b", "c", "d"])), "414 TAG_INVALID")
        assert.strictEqual(yield* refusal(push(bytes, reference, ["a", ".b"])), "400 TAG_INVALID")
        const single = yield* push(bytes, reference, "a")
        assert.strictEqual(single.headers["oci-tag"], "a")
        assert.isUndefined((yield* push(bytes, reference)).headers["oci-tag"])
      }
      const other = { tag: "Digest", digest: digest("sha256", manifestOf(999)) } as const
      const refused = yield* Effect.flip(push(bytes, other))
      assert.deepStrictEqual([refused.status, refused.code], [400, "DIGEST_INVALID"])
      assert.deepStrictEqual(refused.detail, { expected: other.digest, actual: digest("sha256", bytes) })
      assert.deepStrictEqual(
        stored.slice(0, 3).map(({ tags }) => tags),
        [["a", "b", "c"], ["a"], []]
      )
    })
  )

  it.effect("pushed by tag moves that tag alone, whatever the query says", () =>
    Effect.gen(function* () {
      const { push, stored } = scene()
      const { headers } = yield* push(manifestOf(0), { tag: "Tag", name: "1" }, ["a", ".b"])
      assert.isUndefined(headers["oci-tag"])
      assert.isUndefined(headers["oci-subject"])
      assert.deepStrictEqual(stored[0]?.tags, ["1"])
    })
  )
})

describe("a manifest that the sink refuses", () => {
  const missing = Array.from({ length: 12 }, (_, index) => layer(index + 1))
  const image = (count: number) =>
    manifestOf(0, {
      config: { digest: layer(1), size: 1 },
      layers: missing.slice(1, count).map((digest) => ({ digest, size: 1 }))
    })
  const unknown = (digests: unknown) =>
    ociError("MANIFEST_BLOB_UNKNOWN", { message: "missing", detail: digests })

  it.effect("lists the missing content with its kind, up to a limit, and ten digests in the message", () =>
    Effect.gen(function* () {
      const made = scene({ maxMissingListed: 11 }, 10_000)
      made.failure = unknown([...missing, layer(99)])
      const all = yield* Effect.flip(made.push(image(12)))
      assert.deepStrictEqual([all.status, all.code], [400, "MANIFEST_BLOB_UNKNOWN"])
      assert.deepStrictEqual(
        all.detail,
        missing.slice(0, 11).map((digest, index) => ({ digest, kind: index === 0 ? "config" : "layer" }))
      )
      assert.isTrue(all.message.endsWith(`${layer(9)}, ${layer(10)} and 2 more`))
      const ten = yield* Effect.flip(made.push(image(10)))
      assert.isTrue(ten.message.endsWith(layer(10)))
      made.failure = unknown([layer(2)])
      const one = yield* Effect.flip(made.push(image(12)))
      assert.deepStrictEqual(one.detail, [{ digest: layer(2), kind: "layer" }])
    })
  )

  it.effect("gets any other error of the sink unchanged", () =>
    Effect.gen(function* () {
      const made = scene()
      for (const failure of [
        ociError("DENIED", { message: "immutable", detail: [layer(1)] }),
        unknown(null)
      ]) {
        made.failure = failure
        assert.strictEqual(yield* Effect.flip(made.push(image(1))), failure)
      }
      made.failure = new SinkUnavailable({ message: "no origin" })
      assert.strictEqual(yield* refusal(made.push(image(1))), "503 UNAVAILABLE")
    })
  )
})

describe("the name of a client", () => {
  const named = (agent: string | undefined, address?: string) => {
    const request = HttpClientRequest.setHeaders(
      HttpClientRequest.get("http://registry/"),
      agent === undefined ? {} : { "user-agent": agent }
    )
    const remoteAddress = Option.fromUndefinedOr(address)
    return changedBy(HttpServerRequest.fromClientRequest(request).modify({ remoteAddress }), {
      ...registryLimits,
      maxChangedByLength: 30
    })
  }

  it("is its address and its user agent, printable and cut to the limit", () => {
    assert.strictEqual(named("skopeo/1.9", "203.0.113.7"), "203.0.113.7 skopeo/1.9")
    assert.strictEqual(named(undefined, "203.0.113.7"), "203.0.113.7")
    assert.strictEqual(named("a\u0001b\u00e9~ !"), "unknown a?b?~ !")
    assert.strictEqual(named("x".repeat(100), "203.0.113.7"), `203.0.113.7 ${"x".repeat(18)}`)
  })
})
