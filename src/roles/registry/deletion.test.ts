// Tests of deletions over a herd in memory: 202, then 404 for every later read, and no other content is deleted.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { inHerd, proxyUrl } from "../../../testing/roles/herd.ts"
import { pushBlob, pushImage, someBytes } from "../../../testing/roles/push.ts"
import { mediaTypes } from "../oci/manifest.ts"

const nothing = `sha256:${"0".repeat(64)}`
const base = `${proxyUrl}/v2/demo/app`

describe("DELETE", () => {
  it.effect("of a tag leaves the manifest and its other tags", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
        yield* pushImage(world, proxyUrl, "demo/app", "2", 1)
        const gone = yield* send(world, "DELETE", `${base}/manifests/1`)
        assert.strictEqual(gone.status, 202)
        assert.strictEqual(gone.headers["content-length"], "0")
        const read = yield* send(world, "GET", `${base}/manifests/1`)
        assert.strictEqual(errorCode(read), "MANIFEST_UNKNOWN")
        for (const reference of ["2", image.digest]) {
          assert.strictEqual((yield* send(world, "GET", `${base}/manifests/${reference}`)).status, 200)
        }
        assert.deepStrictEqual(JSON.parse((yield* send(world, "GET", `${base}/tags/list`)).text).tags, ["2"])
        const again = yield* send(world, "DELETE", `${base}/manifests/1`)
        assert.strictEqual(errorCode(again), "MANIFEST_UNKNOWN")
      })
    )
  )

  it.effect("of a manifest deletes its tags, in this repository only", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
        yield* pushImage(world, proxyUrl, "demo/app", "2", 1)
        yield* pushImage(world, proxyUrl, "demo/other", "1", 1)
        assert.strictEqual((yield* send(world, "DELETE", `${base}/manifests/${image.digest}`)).status, 202)
        for (const reference of ["1", "2", image.digest]) {
          assert.strictEqual((yield* send(world, "HEAD", `${base}/manifests/${reference}`)).status, 404)
        }
        const elsewhere = yield* send(world, "GET", `${proxyUrl}/v2/demo/other/manifests/1`)
        assert.deepStrictEqual(elsewhere.bytes, image.manifest)
        const layer = yield* send(world, "HEAD", `${base}/blobs/${image.layer}`)
        assert.strictEqual(layer.status, 200)
        // Deleted content can be pushed again.
        assert.strictEqual((yield* pushImage(world, proxyUrl, "demo/app", "1", 1)).put.status, 201)
        assert.strictEqual((yield* send(world, "GET", `${base}/manifests/1`)).status, 200)
      })
    )
  )

  it.effect("of a blob unlinks it from this repository; a push or a mount brings it back", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { digest } = yield* pushBlob(world, proxyUrl, "demo/app", someBytes(1, 100))
        yield* pushBlob(world, proxyUrl, "demo/other", someBytes(1, 100))
        assert.strictEqual((yield* send(world, "DELETE", `${base}/blobs/${digest}`)).status, 202)
        for (const method of ["GET", "HEAD"] as const) {
          assert.strictEqual((yield* send(world, method, `${base}/blobs/${digest}`)).status, 404)
        }
        const elsewhere = yield* send(world, "GET", `${proxyUrl}/v2/demo/other/blobs/${digest}`)
        assert.strictEqual(elsewhere.status, 200)
        const again = yield* send(world, "DELETE", `${base}/blobs/${digest}`)
        assert.strictEqual(errorCode(again), "BLOB_UNKNOWN")
        yield* send(world, "POST", `${base}/blobs/uploads/?mount=${digest}&from=demo/other`)
        assert.strictEqual((yield* send(world, "GET", `${base}/blobs/${digest}`)).status, 200)
      })
    )
  )

  it.effect("of unknown content is 404, of malformed names 400", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        for (const [path, status] of [
          [`manifests/${nothing}`, 404],
          ["manifests/none", 404],
          [`blobs/${nothing}`, 404],
          ["manifests/sha256:bad", 400],
          ["blobs/sha256:bad", 400],
          ["tags/list", 405]
        ] as const) {
          assert.strictEqual((yield* send(world, "DELETE", `${base}/${path}`)).status, status, path)
        }
      })
    )
  )
})

describe("a tag's history", () => {
  it.effect("lists the digests of the tag, when they changed, and who changed them", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
        yield* send(world, "PUT", `${base}/manifests/1`, {
          body: new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, layers: [] })),
          headers: { "content-type": mediaTypes.ociManifest, "user-agent": "skopeo/1.9.3\u00e9" }
        })
        yield* send(world, "DELETE", `${base}/manifests/1`)
        const got = yield* send(world, "GET", `${base}/_shoal/tags/1/history`)
        const { name, tag, history } = JSON.parse(got.text)
        assert.deepStrictEqual([name, tag], ["demo/app", "1"])
        assert.deepStrictEqual(
          history.map((change: { readonly version: number }) => change.version),
          [3, 2, 1]
        )
        assert.isTrue(history[0].deleted)
        assert.strictEqual(history[1].by, "unknown skopeo/1.9.3?")
        assert.deepStrictEqual(history[2], {
          version: 1,
          at: "1970-01-01T00:00:00.000Z",
          by: "unknown",
          digest: image.digest
        })
        const never = yield* send(world, "GET", `${base}/_shoal/tags/never/history`)
        assert.strictEqual(errorCode(never), "MANIFEST_UNKNOWN")
      })
    )
  )
})
