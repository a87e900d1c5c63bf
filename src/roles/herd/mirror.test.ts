// A herd that mirrors an upstream registry, in memory: names, the requests to the upstream and their number, and
// operations that it refuses. mirror-away.test.ts covers an upstream that does not answer.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { publishImage } from "../../../testing/roles/fake-upstream.ts"
import { proxyUrl } from "../../../testing/roles/herd.ts"
import { at, get, manifests, withMirroringHerd } from "../../../testing/roles/mirroring-herd.ts"
import { pushImage, someBytes } from "../../../testing/roles/push.ts"

describe("a herd that mirrors an upstream", () => {
  it.effect("serves its images by ns and by path, each fetched once, verified and stored", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const layer = someBytes(1, 30_000)
        const image = publishImage(state, "library/alpine", "3", [layer])
        const byTag = yield* get(world, "library/alpine/manifests/3?ns=docker.io", {
          authorization: "Basic Y2xpZW50OnNlY3JldA=="
        })
        assert.strictEqual(byTag.status, 200, byTag.text)
        assert.deepStrictEqual(byTag.bytes, image.bytes)
        assert.strictEqual(byTag.headers["docker-content-digest"], image.digest)
        assert.strictEqual(byTag.headers["oci-namespace"], "docker.io")
        for (const path of [
          `library/alpine/blobs/${image.layers[0]}?ns=docker.io`,
          `docker.io/library/alpine/blobs/${image.layers[0]}`,
          `library/alpine/blobs/${image.layers[0]}?ns=Index.Docker.io`
        ]) {
          const blob = yield* get(world, path)
          assert.strictEqual(blob.status, 200, blob.text)
          assert.deepStrictEqual(blob.bytes, layer)
        }
        for (const path of [
          `library/alpine/manifests/${image.digest}?ns=docker.io`,
          "docker.io/library/alpine/manifests/3"
        ]) {
          assert.deepStrictEqual((yield* get(world, path)).bytes, image.bytes)
        }
        assert.strictEqual(
          (yield* get(world, "docker.io/library/alpine/manifests/3")).headers["oci-namespace"],
          undefined
        )
        assert.strictEqual(manifests(state, "HEAD").length, 1)
        assert.strictEqual(manifests(state, "GET").length, 1)
        assert.strictEqual(at(state, "blobs").length, 1)
        // The credentials of a client never reach the upstream.
        assert.isTrue(state.seen.every(({ authorization }) => !(authorization ?? "").includes("Y2xpZW50")))
        assert.strictEqual((yield* get(world, "library/alpine/manifests/3")).status, 404)
      })
    )
  )

  it.effect("answers an unlisted ns with 404 at once, without a request", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        publishImage(state, "library/alpine", "3", [])
        yield* pushImage(world, proxyUrl, "library/alpine", "3", 1)
        for (const ns of [
          "quay.io",
          "169.254.169.254",
          "docker.io:443",
          "docker.io%2Fx",
          "",
          "docker.io&ns=quay.io"
        ]) {
          const before = world.requests.length
          const answer = yield* get(world, `library/alpine/manifests/3?ns=${ns}`)
          assert.strictEqual(answer.status, 404, ns)
          assert.strictEqual(errorCode(answer), "NAME_UNKNOWN")
          assert.strictEqual(answer.headers["oci-namespace"], undefined)
          assert.strictEqual(world.requests.length, before + 1)
        }
        assert.deepStrictEqual(state.seen, [])
        const own = yield* get(world, "library/alpine/manifests/3?ns=registry.example")
        assert.strictEqual(own.status, 200)
        assert.strictEqual(own.headers["oci-namespace"], "registry.example")
        const byHost = yield* get(world, "library/alpine/manifests/3?ns=HERD:15000", { host: "herd:15000" })
        assert.strictEqual(byHost.status, 200)
        assert.deepStrictEqual(state.seen, [])
      })
    )
  )

  it.effect("sends HEAD again when a tag is no longer fresh, and follows it when it has moved", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const digestOf = Effect.map(
          get(world, "a/b/manifests/1?ns=docker.io"),
          ({ headers }) => headers["docker-content-digest"]
        )
        const first = publishImage(state, "a/b", "1", [someBytes(1, 10)])
        assert.strictEqual(yield* digestOf, first.digest)
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(yield* digestOf, first.digest)
        assert.strictEqual(manifests(state, "HEAD").length, 1)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* digestOf, first.digest)
        assert.deepStrictEqual([manifests(state, "HEAD").length, manifests(state, "GET").length], [2, 1])
        const second = publishImage(state, "a/b", "1", [someBytes(2, 10)])
        assert.strictEqual(yield* digestOf, first.digest)
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* digestOf, second.digest)
        assert.strictEqual((yield* get(world, `a/b/manifests/${first.digest}?ns=docker.io`)).status, 200)
        // The tag is back, and its manifest is known, so HEAD is enough.
        state.tags.set("a/b 1", first.digest)
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* digestOf, first.digest)
        assert.strictEqual(manifests(state, "GET").length, 2)
        state.tags.delete("a/b 1")
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).status, 404)
        state.failing = { status: 500 }
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).status, 503)
      })
    )
  )

  it.effect("shares one request among all clients that ask at once", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const held = yield* Deferred.make<void>()
        state.hold = Deferred.await(held)
        const layer = someBytes(1, 20_000)
        const image = publishImage(state, "a/b", "1", [layer])
        const ask = (path: string) =>
          Effect.forEach(Array.from({ length: 20 }), () => get(world, path), { concurrency: "unbounded" })
        const tags = yield* ask("a/b/manifests/1?ns=docker.io")
        assert.isTrue(tags.every(({ status }) => status === 200))
        assert.deepStrictEqual([manifests(state, "HEAD").length, manifests(state, "GET").length], [1, 1])
        const pulls = yield* Effect.forkChild(ask(`a/b/blobs/${image.layers[0]}?ns=docker.io`))
        // The origin says that the blob is on its way, and clients that wait ask again.
        yield* TestClock.adjust("25 seconds")
        yield* Deferred.succeed(held, undefined)
        yield* TestClock.adjust("1 second")
        const blobs = yield* Fiber.join(pulls)
        for (const blob of blobs) assert.deepStrictEqual(blob.bytes, layer)
        assert.strictEqual(at(state, "blobs").length, 1)
        assert.strictEqual(state.sent, layer.byteLength)
        assert.isAbove(world.requests.filter((line) => line.endsWith("/metainfo")).length, 20)
      })
    )
  )

  it.effect("refuses pushes into an upstream's repository, and drops its cache on a deletion", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [])
        yield* get(world, "a/b/manifests/1?ns=docker.io")
        for (const [method, path] of [
          ["POST", "docker.io/a/b/blobs/uploads/"],
          ["POST", "a/b/blobs/uploads/?ns=docker.io"],
          ["PUT", "docker.io/a/b/manifests/1"],
          ["PUT", "a/b/manifests/1?ns=docker.io"]
        ] as const) {
          const refused = yield* send(world, method, `${proxyUrl}/v2/${path}`, {
            body: image.bytes,
            headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" }
          })
          assert.strictEqual(refused.status, 403, path)
          assert.strictEqual(errorCode(refused), "DENIED")
        }
        assert.strictEqual(
          (yield* send(world, "POST", `${proxyUrl}/v2/docker.iox/a/blobs/uploads/`)).status,
          202
        )
        const forgotten = yield* send(
          world,
          "DELETE",
          `${proxyUrl}/v2/docker.io/a/b/manifests/${image.digest}`
        )
        assert.strictEqual(forgotten.status, 202, forgotten.text)
        state.failing = { status: 503 }
        assert.strictEqual((yield* get(world, `a/b/manifests/${image.digest}?ns=docker.io`)).status, 503)
      })
    )
  )

  it.effect("lists tags, and answers for blobs that no manifest named", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [someBytes(1, 100)])
        publishImage(state, "a/b", "2", [])
        const tags = yield* get(world, "a/b/tags/list?ns=docker.io&n=1")
        assert.deepStrictEqual(JSON.parse(tags.text), { name: "docker.io/a/b", tags: ["1"] })
        const next = /<(.+)>/.exec(tags.headers.link ?? "")![1]!
        for (const path of [next, `${next}&ns=docker.io`]) {
          const rest = yield* send(world, "GET", `http://herd:15000${path}`)
          assert.deepStrictEqual(JSON.parse(rest.text), { name: "docker.io/a/b", tags: ["2"] })
        }
        for (let times = 0; times < 2; times++) {
          const blob = yield* get(world, `a/b/blobs/${image.layers[0]}?ns=docker.io`)
          assert.strictEqual(blob.status, 200)
        }
        // The second request found it known in the repository.
        const heads = at(state, "registry", "HEAD").filter(
          ({ url, authorization }) => url.includes("/blobs/") && authorization !== undefined
        )
        assert.strictEqual(heads.length, 1)
        const absent = yield* get(
          world,
          `a/b/blobs/${world.digests.digest("sha256", someBytes(9, 9))}?ns=docker.io`
        )
        assert.strictEqual(absent.status, 404)
        // While the upstream is down, the list has the cached tags.
        yield* get(world, "a/b/manifests/2?ns=docker.io")
        state.failing = { status: 503 }
        const cached = yield* get(world, "a/b/tags/list?ns=docker.io")
        assert.deepStrictEqual(JSON.parse(cached.text), { name: "docker.io/a/b", tags: ["2"] })
      })
    )
  )

  it.effect("fetches the manifest itself when the upstream does not state its digest", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        state.saysDigest = false
        const first = publishImage(state, "a/b", "1", [])
        assert.deepStrictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).bytes, first.bytes)
        const second = publishImage(state, "a/b", "1", [someBytes(1, 10)])
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).bytes, second.bytes)
      })
    )
  )

  it.effect("returns the referrers of an image, from the endpoint or the fallback tag", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [])
        const signature = publishImage(state, "a/b", "signature", [someBytes(1, 10)])
        const descriptor = {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          digest: signature.digest,
          size: signature.bytes.byteLength,
          artifactType: "application/x.signature"
        }
        const referrers = (query = "") =>
          Effect.map(get(world, `a/b/referrers/${image.digest}?ns=docker.io${query}`), ({ status, text }) => {
            assert.strictEqual(status, 200, text)
            return (JSON.parse(text) as { manifests: ReadonlyArray<{ digest: string }> }).manifests
          })
        assert.deepStrictEqual(yield* referrers(), [])
        state.referrers = new Map([[`a/b ${image.digest}`, [descriptor]]])
        assert.deepStrictEqual(yield* referrers(), [descriptor])
        assert.deepStrictEqual(yield* referrers("&artifactType=application/x.other"), [])

        state.referrers = undefined
        const index = new TextEncoder().encode(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: "application/vnd.oci.image.index.v1+json",
            manifests: [descriptor]
          })
        )
        state.manifests.set(`a/b ${world.digests.digest("sha256", index)}`, {
          bytes: index,
          mediaType: "application/vnd.oci.image.index.v1+json"
        })
        state.tags.set(`a/b ${image.digest.replace(":", "-")}`, world.digests.digest("sha256", index))
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(yield* referrers(), [descriptor])
      })
    )
  )
})
