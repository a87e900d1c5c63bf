// Pulls (OCI distribution specification, "Pull"): end-1 asks whether the registry is one, end-2 is a blob, end-3 a
// manifest. All of it holds for the proxy and for an agent that reads from it.

import { describe, expect, test } from "vitest"
import { digestOf } from "../support/deterministic-bytes.ts"
import {
  type Algorithm,
  errorCode,
  expectStatus,
  freshBytes,
  imageDocument,
  indexDocument,
  nowhere,
  pushBlob,
  pushImage,
  pushManifest,
  types
} from "./content.ts"
import { newRepository, type Part } from "./registry-under-test.ts"

export const pull: Part = (registry) => {
  describe("end-1: GET /v2/", () => {
    test("answers 200", async () => {
      for (const [, read] of registry().readers) expectStatus(await read("GET", "/v2/"), 200)
    })
  })

  describe("end-2: GET and HEAD of a blob", () => {
    const sizes = { "of one byte": 1, "of a few kB": 5000, "over a megabyte": 1_300_000 }
    test.each(Object.entries(sizes))("%s comes whole, with its digest and length", async (_, size) => {
      const { call, readers } = registry()
      const repository = newRepository()
      const bytes = freshBytes(size)
      const { digest } = await pushBlob(call, repository, bytes)
      for (const [name, read] of readers) {
        const path = `/v2/${repository}/blobs/${digest}`
        const head = expectStatus(await read("HEAD", path), 200)
        const got = expectStatus(await read("GET", path), 200)
        expect(head.bytes.length, name).toBe(0)
        expect(digestOf("sha256", got.bytes), name).toBe(digest)
        for (const answer of [head, got]) {
          expect(answer.headers["docker-content-digest"], name).toBe(digest)
          expect(answer.headers["content-length"], name).toBe(String(size))
        }
      }
    })

    test("the empty blob is a blob", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const { digest } = await pushBlob(call, repository, new Uint8Array(0))
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/blobs/${digest}`), 200)
        expect(got.headers["content-length"]).toBe("0")
        expect(got.headers["docker-content-digest"]).toBe(digest)
        expectStatus(await read("HEAD", `/v2/${repository}/blobs/${digest}`), 200)
      }
    })

    test("a blob requested by sha512 has that digest in its answer", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const { digest } = await pushBlob(call, repository, bytes, types.layer, "sha512")
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/blobs/${digest}`), 200)
        expect(got.bytes).toEqual(new Uint8Array(bytes))
        expect(got.headers["docker-content-digest"]).toBe(digest)
      }
    })

    const size = 6000
    /** A Range header, then the first and last byte of the answer, or nothing when the range cannot be satisfied. */
    const ranges: ReadonlyArray<readonly [string, readonly [number, number] | undefined]> = [
      ["bytes=500-1499", [500, 1499]],
      ["bytes=0-0", [0, 0]],
      ["bytes=500-", [500, 5999]],
      ["bytes=-500", [5500, 5999]],
      ["bytes=-9000", [0, 5999]],
      ["bytes=2000-9000", [2000, 5999]],
      ["bytes=6000-", undefined],
      ["bytes=7000-8000", undefined],
      ["bytes=-0", undefined]
    ]
    test.each(ranges)("Range: %s gives %j", async (range, part) => {
      const { call, readers } = registry()
      const repository = newRepository()
      const bytes = new Uint8Array(freshBytes(size))
      const { digest } = await pushBlob(call, repository, bytes)
      for (const [, read] of readers) {
        const got = await read("GET", `/v2/${repository}/blobs/${digest}`, { headers: { range } })
        if (part === undefined) {
          expectStatus(got, 416)
          expect(got.headers["content-range"]).toBe(`bytes */${size}`)
        } else {
          const [first, last] = part
          expectStatus(got, 206)
          expect(got.headers["content-range"]).toBe(`bytes ${first}-${last}/${size}`)
          expect(got.headers["content-length"]).toBe(String(last - first + 1))
          expect(got.bytes).toEqual(bytes.subarray(first, last + 1))
        }
      }
    })

    test.each(["pages=1-2", "bytes=x-", "bytes=9-2"])("Range: %s is ignored or refused", async (range) => {
      const { call } = registry()
      const repository = newRepository()
      const { digest } = await pushBlob(call, repository, freshBytes(20))
      const got = await call("GET", `/v2/${repository}/blobs/${digest}`, { headers: { range } })
      // RFC 9110, 14.2: an invalid Range is ignored, or refused as a bad request.
      expect([200, 400, 416]).toContain(got.status)
      if (got.status === 200) expect(got.bytes.length).toBe(20)
    })

    test("an absent blob is 404, an invalid digest is 400", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "1")
      for (const [, read] of readers) {
        const unknown = expectStatus(await read("GET", `/v2/${repository}/blobs/${nowhere}`), 404)
        expect(errorCode(unknown)).toBe("BLOB_UNKNOWN")
        expectStatus(await read("HEAD", `/v2/${repository}/blobs/${nowhere}`), 404)
        for (const malformed of ["sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e"]) {
          const bad = expectStatus(await read("GET", `/v2/${repository}/blobs/${malformed}`), 400)
          expect(errorCode(bad)).toBe("DIGEST_INVALID")
        }
      }
    })
  })

  describe("end-3: GET and HEAD of a manifest", () => {
    /** Checks both names of a manifest, at every registry that serves reads. */
    const expectPullable = async (
      repository: string,
      tag: string,
      pushed: Awaited<ReturnType<typeof pushImage>>
    ) => {
      for (const [name, read] of registry().readers) {
        for (const reference of [tag, pushed.digest]) {
          const path = `/v2/${repository}/manifests/${reference}`
          const accept = Object.values(types).join(", ")
          const got = expectStatus(await read("GET", path, { headers: { accept } }), 200)
          const head = expectStatus(await read("HEAD", path, { headers: { accept } }), 200)
          expect(got.bytes, name).toEqual(new Uint8Array(pushed.bytes))
          expect(head.bytes.length).toBe(0)
          for (const answer of [got, head]) {
            expect(answer.headers["content-type"], name).toBe(pushed.mediaType)
            expect(answer.headers["docker-content-digest"], name).toBe(pushed.digest)
            expect(answer.headers["content-length"], name).toBe(String(pushed.size))
          }
        }
      }
    }

    test("an image comes byte for byte, with the type under which it was pushed", async () => {
      const { call } = registry()
      const repository = newRepository()
      await expectPullable(repository, "v1.0_rc-2", await pushImage(call, repository, "v1.0_rc-2"))
    })

    test("so does an index, and an index of indexes", async () => {
      const { call } = registry()
      const repository = newRepository()
      const inner = await pushManifest(
        call,
        repository,
        indexDocument([await pushImage(call, repository), await pushImage(call, repository)]),
        "inner"
      )
      const outer = await pushManifest(call, repository, indexDocument([inner]), "outer")
      await expectPullable(repository, "inner", inner)
      await expectPullable(repository, "outer", outer)
    })

    test("so do docker's schema 2 image and list, under their own types", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "image", { mediaType: types.dockerManifest })
      const list = await pushManifest(
        call,
        repository,
        indexDocument([image], { mediaType: types.dockerList }),
        "list"
      )
      await expectPullable(repository, "image", image)
      await expectPullable(repository, "list", list)
    })

    test("a manifest requested by sha512 has that digest in its answer", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const algorithm: Algorithm = "sha512"
      const document = await imageDocument(call, repository, {}, algorithm)
      const pushed = await pushManifest(call, repository, document, undefined, algorithm)
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/manifests/${pushed.digest}`), 200)
        expect(got.headers["docker-content-digest"]).toBe(pushed.digest)
        expect(got.bytes).toEqual(new Uint8Array(pushed.bytes))
      }
    })

    test("an absent manifest is 404, an invalid reference is 400", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const cases: ReadonlyArray<readonly [string, number, ReadonlyArray<string>]> = [
        [`${repository}/manifests/2`, 404, ["MANIFEST_UNKNOWN"]],
        [`${repository}/manifests/${nowhere}`, 404, ["MANIFEST_UNKNOWN"]],
        // The manifest exists, but in another repository.
        [`${newRepository()}/manifests/${image.digest}`, 404, ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"]],
        [`${repository}/manifests/sha256:abc`, 400, ["DIGEST_INVALID"]],
        [`${repository}/manifests/.hidden`, 400, ["TAG_INVALID"]],
        [`${repository}/manifests/${"t".repeat(129)}`, 400, ["TAG_INVALID"]],
        ["Upper/case/manifests/1", 400, ["NAME_INVALID"]]
      ]
      for (const [, read] of readers) {
        for (const [path, status, codes] of cases) {
          const got = expectStatus(await read("GET", `/v2/${path}`), status)
          expect(codes, path).toContain(errorCode(got))
          expectStatus(await read("HEAD", `/v2/${path}`), status)
        }
      }
    })

    test("a name has many components, each of which may be named like an endpoint", async () => {
      const { call, readers } = registry()
      const repository = `${newRepository()}/manifests/blobs/uploads/tags/list/referrers/a--b/c__d/e.f`
      const { digest } = await pushImage(call, repository, "list")
      for (const [, read] of readers) {
        const got = expectStatus(await read("GET", `/v2/${repository}/manifests/list`), 200)
        expect(got.headers["docker-content-digest"]).toBe(digest)
      }
    })
  })
}
