// Tests of the referrers API over a herd in memory: filters, pages, and the entries of the fallback tag.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { inHerd, proxyUrl } from "../../../testing/roles/herd.ts"
import type { MemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushBlob, pushImage } from "../../../testing/roles/push.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { mediaTypes } from "../oci/manifest.ts"

const nothing = `sha256:${"0".repeat(64)}`
const base = `${proxyUrl}/v2/demo/app`
const encoder = new TextEncoder()

interface Listed {
  readonly manifests: ReadonlyArray<{
    readonly digest: Digest
    readonly artifactType?: string
    readonly annotations?: object
    readonly size: number
    readonly mediaType: string
  }>
}

const list = (world: MemoryWorld, subject: string, query = "") =>
  Effect.map(send(world, "GET", `${base}/referrers/${subject}${query}`), (got) => ({
    ...got,
    index: JSON.parse(got.text) as Listed
  }))

const putManifest = (world: MemoryWorld, document: object, reference?: string) => {
  const bytes = encoder.encode(JSON.stringify(document))
  const digest = world.digests.digest("sha256", bytes)
  const { mediaType } = document as { readonly mediaType: string }
  return Effect.map(
    send(world, "PUT", `${base}/manifests/${reference ?? digest}`, {
      body: bytes,
      headers: { "content-type": mediaType }
    }),
    (put) => ({ digest, size: bytes.byteLength, put })
  )
}

const emptyConfig = (world: MemoryWorld) =>
  Effect.map(pushBlob(world, proxyUrl, "demo/app", encoder.encode("{}")), ({ digest }) => ({
    mediaType: "application/vnd.example.config.v1+json",
    digest,
    size: 2
  }))

const artifact = (config: object, more: object = {}) => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config,
  layers: [],
  ...more
})

describe("referrers", () => {
  it.effect(
    "are an index of descriptors with artifact type and annotations; an index when there are none",
    () =>
      inHerd((world) =>
        Effect.gen(function* () {
          const none = yield* list(world, nothing)
          assert.strictEqual(none.status, 200)
          assert.strictEqual(none.headers["content-type"], mediaTypes.ociIndex)
          assert.deepStrictEqual(JSON.parse(none.text), {
            schemaVersion: 2,
            mediaType: mediaTypes.ociIndex,
            manifests: []
          })

          const image = yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
          const subject = { mediaType: mediaTypes.ociManifest, digest: image.digest, size: 7 }
          const config = yield* emptyConfig(world)
          const annotations = { "org.example": "yes" }
          const own = { subject, artifactType: "application/vnd.example.sbom", annotations }
          const typed = yield* putManifest(world, artifact(config, own))
          const fallen = yield* putManifest(world, artifact(config, { subject }))
          const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [], subject }
          const plain = yield* putManifest(world, index)
          assert.strictEqual(plain.put.headers["oci-subject"], image.digest)

          const got = yield* list(world, image.digest)
          const expected = [
            {
              mediaType: mediaTypes.ociManifest,
              digest: typed.digest,
              size: typed.size,
              artifactType: "application/vnd.example.sbom",
              annotations
            },
            {
              mediaType: mediaTypes.ociManifest,
              digest: fallen.digest,
              size: fallen.size,
              artifactType: config.mediaType
            },
            { mediaType: mediaTypes.ociIndex, digest: plain.digest, size: plain.size }
          ]
          assert.deepStrictEqual(
            got.index.manifests,
            expected.sort((a, b) => (a.digest < b.digest ? -1 : 1))
          )

          yield* send(world, "DELETE", `${base}/manifests/${fallen.digest}`)
          const left = yield* list(world, image.digest)
          assert.notInclude(left.text, fallen.digest)
          assert.strictEqual(left.index.manifests.length, 2)
        })
      )
  )

  it.effect("are filtered by artifact type, and the answer says so", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const config = yield* emptyConfig(world)
        const subject = { mediaType: mediaTypes.ociManifest, digest: nothing, size: 7 }
        for (const artifactType of ["application/a", "application/b+json"]) {
          yield* putManifest(world, artifact(config, { subject, artifactType }))
        }
        const got = yield* list(world, nothing, `?artifactType=${encodeURIComponent("application/b+json")}`)
        assert.strictEqual(got.headers["oci-filters-applied"], "artifactType")
        assert.deepStrictEqual(
          got.index.manifests.map(({ artifactType }) => artifactType),
          ["application/b+json"]
        )
        assert.strictEqual((yield* list(world, nothing)).headers["oci-filters-applied"], undefined)
      })
    )
  )

  it.effect("come in pages with a Link to the next, which together have all of them", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const config = yield* emptyConfig(world)
        const subject = { mediaType: mediaTypes.ociManifest, digest: nothing, size: 7 }
        const pushed: string[] = []
        for (let number = 0; number < 7; number++) {
          const artifactType = `application/${number % 2 === 0 ? "even" : "odd"}+x`
          const { digest } = yield* putManifest(
            world,
            artifact(config, { subject, artifactType, annotations: { number: String(number) } })
          )
          if (number % 2 === 0) pushed.push(digest)
        }
        const seen: string[] = []
        let next: string | undefined = `?n=2&artifactType=${encodeURIComponent("application/even+x")}`
        let pages = 0
        while (next !== undefined) {
          const page: Listed & { readonly link: string | undefined } = yield* Effect.map(
            list(world, nothing, next),
            ({ index, headers }) => ({ ...index, link: headers.link })
          )
          pages++
          seen.push(...page.manifests.map(({ digest }) => digest))
          next = page.link === undefined ? undefined : /(\?.*)>; rel="next"$/.exec(page.link)![1]
        }
        assert.strictEqual(pages, 2)
        assert.deepStrictEqual(seen, pushed.sort())
      })
    )
  )

  it.effect("include each entry of the fallback tag that the repository has, once", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const config = yield* emptyConfig(world)
        const subject = { mediaType: mediaTypes.ociManifest, digest: nothing, size: 7 }
        const known = yield* putManifest(world, artifact(config, { subject, annotations: { n: "1" } }))
        const old = yield* putManifest(world, artifact(config, { annotations: { n: "2" } }))
        const gone = yield* putManifest(world, artifact(config, { annotations: { n: "3" } }))
        const descriptor = ({ digest, size }: { readonly digest: Digest; readonly size: number }) => ({
          mediaType: mediaTypes.ociManifest,
          digest,
          size,
          artifactType: digest === known.digest ? config.mediaType : "application/old"
        })
        const manifests = [known, old, gone].map(descriptor)
        const fallback = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
        const { put } = yield* putManifest(world, fallback, `sha256-${"0".repeat(64)}`)
        assert.strictEqual(put.status, 201)
        yield* send(world, "DELETE", `${base}/manifests/${gone.digest}`)

        const got = yield* list(world, nothing)
        assert.deepStrictEqual(
          got.index.manifests.map(({ digest, annotations }) => ({ digest, annotations })),
          [
            { digest: known.digest, annotations: { n: "1" } },
            { digest: old.digest, annotations: undefined }
          ].sort((a, b) => (a.digest < b.digest ? -1 : 1))
        )
        const first = yield* list(world, nothing, "?n=1")
        assert.strictEqual(first.index.manifests.length, 1)
        assert.isDefined(first.headers.link)
        const filtered = yield* list(world, nothing, "?artifactType=application/old")
        assert.deepStrictEqual(
          filtered.index.manifests.map(({ digest }) => digest),
          [old.digest]
        )
      })
    )
  )

  it.effect("of a malformed digest get 400", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const got = yield* send(world, "GET", `${base}/referrers/latest`)
        assert.strictEqual(got.status, 400)
        assert.strictEqual(errorCode(got), "DIGEST_INVALID")
      })
    )
  )
})
