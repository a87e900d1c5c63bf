// Pushes of manifests (OCI distribution specification, "Pushing Manifests"): end-7a under a tag or digest, end-7b
// under a digest and any number of tags at once.

import { describe, expect, test } from "vitest"
import { digestOf } from "../support/deterministic-bytes.ts"
import {
  errorCode,
  expectStatus,
  freshBytes,
  imageDocument,
  indexDocument,
  locationOf,
  manifestBytes,
  nowhere,
  pushBlob,
  pushImage,
  pushManifest,
  types
} from "./content.ts"
import { type Answer, newRepository, type Part } from "./registry-under-test.ts"

export const pushManifests: Part = (registry) => {
  const put = (repository: string, reference: string, body: Uint8Array, mediaType: string = types.manifest) =>
    registry().call("PUT", `/v2/${repository}/manifests/${reference}`, {
      body,
      headers: { "content-type": mediaType }
    })

  const expectTag = async (repository: string, tag: string, digest: string) => {
    const got = expectStatus(await registry().call("HEAD", `/v2/${repository}/manifests/${tag}`), 200)
    expect(got.headers["docker-content-digest"]).toBe(digest)
  }

  describe("end-7a: PUT of a manifest", () => {
    test("under a tag: 201 with its location and digest", async () => {
      const { call } = registry()
      const repository = newRepository()
      const pushed = await pushImage(call, repository, "1")
      expect(pushed.put.headers["docker-content-digest"]).toBe(pushed.digest)
      expect(pushed.put.headers["oci-subject"]).toBeUndefined()
      const got = expectStatus(await call("GET", locationOf(pushed.put)), 200)
      expect(got.bytes).toEqual(new Uint8Array(pushed.bytes))
    })

    test("under its digest: no tag names it", async () => {
      const { call } = registry()
      const repository = newRepository()
      const pushed = await pushImage(call, repository)
      expectStatus(await call("GET", `/v2/${repository}/manifests/${pushed.digest}`), 200)
      const list = expectStatus(await call("GET", `/v2/${repository}/tags/list`), 200)
      expect(JSON.parse(list.text).tags).toEqual([])
    })

    test("a tag moves to the last pushed manifest; the former one stays", async () => {
      const { call } = registry()
      const repository = newRepository()
      const first = await pushImage(call, repository, "latest")
      const second = await pushImage(call, repository, "latest")
      await expectTag(repository, "latest", second.digest)
      expectStatus(await call("GET", `/v2/${repository}/manifests/${first.digest}`), 200)
    })

    test("the same manifest can be pushed again", async () => {
      const { call } = registry()
      const repository = newRepository()
      const { bytes, digest } = await pushImage(call, repository, "1")
      for (const reference of ["1", digest, "2"]) {
        expectStatus(await put(repository, reference, bytes), 201)
      }
      await expectTag(repository, "2", digest)
    })

    test("parameters of the Content-Type are ignored", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = manifestBytes(await imageDocument(call, repository))
      expectStatus(await put(repository, "1", bytes, `${types.manifest}; charset=utf-8`), 201)
      const got = await call("GET", `/v2/${repository}/manifests/1`)
      expect(got.headers["content-type"]).toBe(types.manifest)
    })

    test("unknown fields, annotations and data in descriptors are kept", async () => {
      const { call } = registry()
      const repository = newRepository()
      const small = Buffer.from("{}")
      const config = {
        ...(await pushBlob(call, repository, small, types.empty)),
        data: small.toString("base64")
      }
      const document = await imageDocument(call, repository, {
        config,
        annotations: { "org.example.note": 'ä\u0000"' },
        "org.example.unknown": [1, { deep: null }]
      })
      const pushed = await pushManifest(call, repository, document, "1")
      const got = await call("GET", `/v2/${repository}/manifests/1`)
      expect(got.bytes).toEqual(new Uint8Array(pushed.bytes))
    })

    test("no layers, one layer twice, an index of nothing", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "none", { layers: [] })
      const layer = await pushBlob(call, repository, freshBytes())
      await pushImage(call, repository, "twice", { layers: [layer, layer] })
      await pushManifest(call, repository, indexDocument([]), "nothing")
    })

    test("layers with foreign URLs need not be there", async () => {
      const { call } = registry()
      const repository = newRepository()
      const foreign = {
        mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        digest: nowhere,
        size: 1234,
        urls: ["https://layers.example/one"]
      }
      const { digest } = await pushImage(call, repository, "1", { layers: [foreign] })
      await expectTag(repository, "1", digest)
    })

    test("an artifact with a subject is answered with OCI-Subject, whether or not the subject is there", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      for (const subject of [image.digest, nowhere]) {
        const artifact = await pushImage(call, repository, undefined, {
          artifactType: "application/vnd.example.note",
          subject: { mediaType: types.manifest, digest: subject, size: image.size }
        })
        expect(artifact.put.headers["oci-subject"]).toBe(subject)
        const index = await pushManifest(
          call,
          repository,
          indexDocument([image], { subject: { mediaType: types.manifest, digest: subject, size: 7 } })
        )
        expect(index.put.headers["oci-subject"]).toBe(subject)
      }
    })

    test("a reference to an absent blob or manifest is refused with its digest", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await imageDocument(call, repository)
      const absent = { mediaType: types.manifest, digest: nowhere, size: 5 }
      const documents = [
        { ...image, layers: [absent] },
        { ...image, config: absent },
        indexDocument([await pushImage(call, repository), absent])
      ]
      for (const document of documents) {
        const answer = await put(repository, "1", manifestBytes(document), document.mediaType)
        expect(errorCode(expectStatus(answer, 400))).toBe("MANIFEST_BLOB_UNKNOWN")
        expect(answer.text).toContain(nowhere)
      }
      expectStatus(await call("GET", `/v2/${repository}/manifests/1`), 404)
    })

    test("a digest that does not match the bytes is 400, and so is an invalid digest", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = manifestBytes(await imageDocument(call, repository))
      for (const reference of [nowhere, "sha256:notadigest", "sha512:0123"]) {
        expect(errorCode(expectStatus(await put(repository, reference, bytes), 400))).toBe("DIGEST_INVALID")
      }
    })

    test.each([
      ["not JSON", Buffer.from("not json")],
      ["an array", Buffer.from("[]")],
      ["nothing", new Uint8Array(0)],
      ["a layer without a digest", Buffer.from(`{"schemaVersion":2,"layers":[{"size":1}]}`)],
      ["not UTF-8", Buffer.from([0x7b, 0xff, 0x7d])]
    ])("%s is not a manifest: 400", async (_, bytes) => {
      const answer = expectStatus(await put(newRepository(), "1", bytes), 400)
      expect(errorCode(answer)).toBe("MANIFEST_INVALID")
    })

    test("four megabytes are accepted, more than the limit is 413", async () => {
      const { call } = registry()
      const repository = newRepository()
      const document = await imageDocument(call, repository)
      const of = (length: number) => {
        const bare = manifestBytes({ ...document, annotations: { filler: "" } }).length
        return manifestBytes({ ...document, annotations: { filler: "x".repeat(length - bare) } })
      }
      expectStatus(await put(repository, "large", of(4_000_000)), 201)
      const answer = await put(repository, "larger", of(4 * 1024 * 1024 + 1))
      expect(errorCode(expectStatus(answer, 413))).toMatch(/^(SIZE|MANIFEST)_INVALID$/)
      expectStatus(await call("GET", `/v2/${repository}/manifests/larger`), 404)
    })

    test("an invalid tag is 400", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = manifestBytes(await imageDocument(call, repository))
      for (const tag of ["-1", ".1", "a+b", "t".repeat(129)]) {
        expectStatus(await put(repository, tag, bytes), 400)
      }
      expectStatus(await put(repository, "t".repeat(128), bytes), 201)
    })
  })

  describe("end-7b: PUT of a manifest by digest with tags", () => {
    const putTags = (repository: string, digest: string, tags: ReadonlyArray<string>, body: Uint8Array) =>
      put(repository, `${digest}?${tags.map((tag) => `tag=${encodeURIComponent(tag)}`).join("&")}`, body)

    const toldTags = (answer: Answer) => (answer.headers["oci-tag"] ?? "").split(",").map((tag) => tag.trim())

    test.each(["sha256", "sha512"] as const)(
      "the answer names all tags, and all of them name it, by its %s",
      async (algorithm) => {
        const { call, readers } = registry()
        const repository = newRepository()
        const bytes = manifestBytes(await imageDocument(call, repository, {}, algorithm))
        const digest = digestOf(algorithm, bytes)
        const tags = [
          "1.2.3",
          "1.2",
          "1",
          "latest",
          ...Array.from({ length: 8 }, (_, index) => `more-${index}`)
        ]
        const answer = expectStatus(await putTags(repository, digest, tags, bytes), 201)
        expect(toldTags(answer).sort()).toEqual([...tags].sort())
        expect(answer.headers["docker-content-digest"]).toBe(digest)
        expect(locationOf(answer)).toBe(`/v2/${repository}/manifests/${digest}`)
        for (const tag of tags) await expectTag(repository, tag, digest)
        const got = expectStatus(await readers.at(-1)![1]("GET", `/v2/${repository}/manifests/1.2`), 200)
        expect(got.bytes).toEqual(new Uint8Array(bytes))
      }
    )

    test("an existing tag moves, and a repeated tag counts once", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "latest")
      const next = await pushImage(call, repository)
      const answer = await putTags(repository, next.digest, ["latest", "latest", "2"], next.bytes)
      expect(toldTags(expectStatus(answer, 201)).sort()).toEqual(["2", "latest"])
      await expectTag(repository, "latest", next.digest)
    })

    test("an invalid tag refuses all of them", async () => {
      const { call } = registry()
      const repository = newRepository()
      const { bytes, digest } = await pushImage(call, repository)
      expectStatus(await putTags(repository, digest, ["good", "-bad"], bytes), 400)
      expectStatus(await call("GET", `/v2/${repository}/manifests/good`), 404)
    })

    test("without tags there is no OCI-Tag", async () => {
      const { put: answer } = await pushImage(registry().call, newRepository())
      expect(answer.headers["oci-tag"]).toBeUndefined()
    })
  })
}
