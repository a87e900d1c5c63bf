// Tests of manifest pushes over a herd in memory: which are stored unchanged, and which are refused with a reason.

import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { inHerd, proxyUrl } from "../../../testing/roles/herd.ts"
import type { MemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob, pushImage } from "../../../testing/roles/push.ts"
import { ociLimits } from "../oci/limits.ts"
import { mediaTypes } from "../oci/manifest.ts"
import { registryLimits } from "./limits.ts"

const nothing = `sha256:${"0".repeat(64)}`

describe("manifests", () => {
  const put = (
    world: MemoryWorld,
    reference: string,
    body: string | Uint8Array,
    contentType: string = mediaTypes.ociManifest
  ) =>
    send(world, "PUT", `${proxyUrl}/v2/demo/app/manifests/${reference}`, {
      body: typeof body === "string" ? new TextEncoder().encode(body) : body,
      headers: { "content-type": contentType }
    })

  const describedImage = (digest: string, extra: object = {}) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 1 },
      layers: [],
      ...extra
    })

  it.effect("are stored under tag and digest, and a tag moves to the last push", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const first = yield* pushImage(world, proxyUrl, "demo/app", "latest", 1)
        assert.strictEqual(first.put.headers.location, `/v2/demo/app/manifests/${first.digest}`)
        assert.strictEqual(first.put.headers["docker-content-digest"], first.digest)
        const second = yield* pushImage(world, proxyUrl, "demo/app", "latest", 2)
        const latest = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/latest`)
        assert.strictEqual(latest.headers["docker-content-digest"], second.digest)
        const old = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/${first.digest}`)
        assert.deepStrictEqual(old.bytes, first.manifest)
      })
    )
  )

  it.effect("are refused if they name missing content, which the error lists", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const got = yield* put(world, "1", describedImage(nothing))
        assert.strictEqual(got.status, 400)
        assert.strictEqual(errorCode(got), "MANIFEST_BLOB_UNKNOWN")
        assert.include(got.text, nothing)
        const detail = JSON.parse(got.text).errors[0].detail
        assert.deepStrictEqual(detail, [{ digest: nothing, kind: "config" }])
        // Content of another repository does not count.
        const { digest } = yield* pushBlob(world, proxyUrl, "demo/other", new TextEncoder().encode("{}"))
        assert.strictEqual(errorCode(yield* put(world, "1", describedImage(digest))), "MANIFEST_BLOB_UNKNOWN")
        assert.strictEqual((yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/1`)).status, 404)
      })
    )
  )

  it.effect("may have a missing subject, which the answer names", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", new TextEncoder().encode("{}"))
        const subject = { mediaType: mediaTypes.ociManifest, digest: nothing, size: 7 }
        const got = yield* put(world, "1", describedImage(digest, { subject }))
        assert.strictEqual(got.status, 201)
        assert.strictEqual(got.headers["oci-subject"], nothing)
      })
    )
  )

  it.effect("of an index require its children, but not their layers", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
        const index = (digest: string) =>
          JSON.stringify({
            schemaVersion: 2,
            mediaType: mediaTypes.ociIndex,
            manifests: [{ mediaType: mediaTypes.ociManifest, digest, size: image.manifest.byteLength }]
          })
        const got = yield* put(world, "all", index(image.digest), mediaTypes.ociIndex)
        assert.strictEqual(got.status, 201)
        const read = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/all`)
        assert.strictEqual(read.headers["content-type"], mediaTypes.ociIndex)
        const absent = yield* put(world, "none", index(nothing), mediaTypes.ociIndex)
        assert.strictEqual(errorCode(absent), "MANIFEST_BLOB_UNKNOWN")
      })
    )
  )

  it.effect("are refused if they are not JSON, do not match the digest, or are too large", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const garbage = yield* put(world, "1", "not json {")
        assert.strictEqual(garbage.status, 400)
        assert.strictEqual(errorCode(garbage), "MANIFEST_INVALID")
        const other = yield* put(world, nothing, describedImage(nothing))
        assert.strictEqual(other.status, 400)
        assert.strictEqual(errorCode(other), "DIGEST_INVALID")
        const bad = yield* put(world, "sha256:baddigeststring", "{}")
        assert.strictEqual(bad.status, 400)
        const large = yield* put(world, "1", new Uint8Array(ociLimits.maxManifestBytes + 1))
        assert.strictEqual(large.status, 413)
        const streamed = yield* send(world, "PUT", `${proxyUrl}/v2/demo/app/manifests/1`, {
          body: Stream.fromArray([new Uint8Array(ociLimits.maxManifestBytes), new Uint8Array(1)]),
          headers: { "content-type": mediaTypes.ociManifest }
        })
        assert.strictEqual(streamed.status, 413)
      })
    )
  )

  it.effect("may have a sha512 digest", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const config = yield* pushBlob(world, proxyUrl, "demo/app", new TextEncoder().encode("{}"))
        const document = new TextEncoder().encode(describedImage(config.digest))
        const digest = world.digests.digest("sha512", document)
        const got = yield* put(world, digest, document)
        assert.strictEqual(got.status, 201)
        const read = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/${digest}`)
        assert.deepStrictEqual(read.bytes, document)
        const tags = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/tags/list`)
        assert.deepStrictEqual(JSON.parse(tags.text).tags, [])
      })
    )
  )

  it.effect("pushed by digest move the tags of the query, which OCI-Tag lists", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest: config } = yield* pushBlob(
          world,
          proxyUrl,
          "demo/app",
          new TextEncoder().encode("{}")
        )
        const document = new TextEncoder().encode(describedImage(config))
        const digest = world.digests.digest("sha256", document)
        const names = Array.from({ length: 12 }, (_, number) => `1.${number}`)
        const query = (tags: ReadonlyArray<string>) =>
          `${digest}?${tags.map((name) => `tag=${name}`).join("&")}`
        const got = yield* put(world, query(names), document)
        assert.strictEqual(got.status, 201)
        assert.strictEqual(got.headers["oci-tag"], names.join(", "))
        for (const name of names) {
          const head = yield* send(world, "HEAD", `${proxyUrl}/v2/demo/app/manifests/${name}`)
          assert.strictEqual(head.headers["docker-content-digest"], digest)
        }
        // With one malformed tag none is moved.
        const wrong = yield* put(world, query(["fine", ".wrong"]), document)
        assert.strictEqual(errorCode(wrong), "TAG_INVALID")
        assert.strictEqual((yield* send(world, "HEAD", `${proxyUrl}/v2/demo/app/manifests/fine`)).status, 404)
        const many = Array.from({ length: registryLimits.maxTagsPerPut + 1 }, (_, number) => `t${number}`)
        assert.strictEqual((yield* put(world, query(many), document)).status, 414)
        // A push by tag moves that tag alone.
        const byTag = yield* put(world, "one?tag=two", document)
        assert.strictEqual(byTag.headers["oci-tag"], undefined)
        assert.strictEqual((yield* send(world, "HEAD", `${proxyUrl}/v2/demo/app/manifests/two`)).status, 404)
      })
    )
  )

  it.effect("are accepted with any parameters in their Content-Type", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", new TextEncoder().encode("{}"))
        const got = yield* put(world, "1", describedImage(digest), `${mediaTypes.ociManifest}; charset=utf-8`)
        assert.strictEqual(got.status, 201)
        const head = yield* send(world, "HEAD", `${proxyUrl}/v2/demo/app/manifests/1`)
        assert.strictEqual(head.headers["content-type"], mediaTypes.ociManifest)
      })
    )
  )
})
