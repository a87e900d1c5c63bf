// Pushes of blobs (OCI distribution specification, "Pushing blobs"): end-4a begins an upload, end-4b is an upload in
// a single request, end-4c names the algorithm of its digest, end-5 sends a chunk, end-6 ends it.
// end-11-13-14-uploads.ts covers the other requests to an upload: its status, a mount, and its cancellation.

import { describe, expect, test } from "vitest"
import { digestOf } from "../support/deterministic-bytes.ts"
import { beginUpload, errorCode, expectStatus, freshBytes, locationOf, withQuery } from "./content.ts"
import { type Answer, newRepository, type Part } from "./registry-under-test.ts"

export const pushBlobs: Part = (registry) => {
  /** Checks that an upload succeeded: its answer says where the blob is, and the blob is there. */
  const expectPushed = async (done: Answer, repository: string, digest: string, bytes: Uint8Array) => {
    expectStatus(done, 201)
    const location = locationOf(done)
    expect(location).toBe(`/v2/${repository}/blobs/${digest}`)
    expect(done.headers["docker-content-digest"]).toBe(digest)
    const got = expectStatus(await registry().call("GET", location), 200)
    expect(digestOf("sha256", got.bytes)).toBe(digestOf("sha256", bytes))
  }

  const octets = { "content-type": "application/octet-stream" }

  const range = (first: number, last: number) => ({ ...octets, "content-range": `${first}-${last}` })

  describe("end-4a: POST begins an upload", () => {
    test("202 names a location, a new one each time", async () => {
      const { call } = registry()
      const repository = newRepository()
      const begun = expectStatus(await call("POST", `/v2/${repository}/blobs/uploads/`), 202)
      const location = locationOf(begun)
      expect(location.startsWith(`/v2/${repository}/blobs/uploads/`)).toBe(true)
      expect(await beginUpload(call, repository)).not.toBe(location)
    })

    test("an invalid name is 400", async () => {
      const { call } = registry()
      const answer = expectStatus(await call("POST", "/v2/NotLower/blobs/uploads/"), 400)
      expect(errorCode(answer)).toBe("NAME_INVALID")
    })
  })

  describe("end-4b: POST with the digest and all bytes", () => {
    test("201 when the bytes match the digest", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const digest = digestOf("sha256", bytes)
      const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`
      await expectPushed(
        await call("POST", path, { body: bytes, headers: octets }),
        repository,
        digest,
        bytes
      )
    })

    test("400 when they do not, and the blob is absent", async () => {
      const { call } = registry()
      const repository = newRepository()
      const digest = digestOf("sha256", freshBytes())
      const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`
      const answer = expectStatus(await call("POST", path, { body: freshBytes(), headers: octets }), 400)
      expect(errorCode(answer)).toBe("DIGEST_INVALID")
      expectStatus(await call("HEAD", `/v2/${repository}/blobs/${digest}`), 404)
    })
  })

  describe("end-6: PUT ends an upload", () => {
    test("with all bytes in it", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const digest = digestOf("sha256", bytes)
      const location = await beginUpload(call, repository)
      const done = await call("PUT", withQuery(location, `digest=${digest}`), {
        body: bytes,
        headers: octets
      })
      await expectPushed(done, repository, digest, bytes)
      // The session is over.
      expectStatus(await call("GET", location), 404)
    })

    test("with no byte at all, for the empty blob", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = new Uint8Array(0)
      const digest = digestOf("sha256", bytes)
      const done = await call("PUT", withQuery(await beginUpload(call, repository), `digest=${digest}`))
      await expectPushed(done, repository, digest, bytes)
    })

    test("twice with the same blob, which is there once", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const digest = digestOf("sha256", bytes)
      const locations = [await beginUpload(call, repository), await beginUpload(call, repository)]
      const both = await Promise.all(
        locations.map((location) => call("PUT", withQuery(location, `digest=${digest}`), { body: bytes }))
      )
      for (const done of both) await expectPushed(done, repository, digest, bytes)
    })

    test.each([
      ["another blob's digest", digestOf("sha256", Buffer.from("other"))],
      ["an unknown algorithm", "md5:d41d8cd98f00b204e9800998ecf8427e"],
      ["a digest that is too short", "sha256:0123"],
      ["a text that is no digest", "latest"]
    ])("%s is 400", async (_, digest) => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      const done = await call("PUT", withQuery(location, `digest=${digest}`), { body: freshBytes() })
      expect(errorCode(expectStatus(done, 400))).toBe("DIGEST_INVALID")
    })

    test("a missing digest is 400", async () => {
      const { call } = registry()
      expectStatus(await call("PUT", await beginUpload(call, newRepository()), { body: freshBytes() }), 400)
    })

    test("an unknown upload is 404", async () => {
      const { call } = registry()
      const path = `/v2/${newRepository()}/blobs/uploads/4f6a61f0-30a6-4b8e-a7f5-0f6a3e3c1111`
      const digest = digestOf("sha256", freshBytes())
      const done = expectStatus(await call("PUT", withQuery(path, `digest=${digest}`)), 404)
      expect(errorCode(done)).toBe("BLOB_UPLOAD_UNKNOWN")
    })
  })

  describe("end-5: PATCH sends a chunk", () => {
    test("in order, each answered with the progress and the next location", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes(3000)
      const digest = digestOf("sha256", bytes)
      let location = await beginUpload(call, repository)
      for (const [first, last] of [
        [0, 1023],
        [1024, 2499],
        [2500, 2999]
      ] as const) {
        const body = bytes.subarray(first, last + 1)
        const sent = expectStatus(await call("PATCH", location, { body, headers: range(first, last) }), 202)
        expect(sent.headers.range).toBe(`0-${last}`)
        location = locationOf(sent)
      }
      await expectPushed(
        await call("PUT", withQuery(location, `digest=${digest}`)),
        repository,
        digest,
        bytes
      )
    })

    test("the last chunk may come with the PUT", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes(2000)
      const digest = digestOf("sha256", bytes)
      const location = locationOf(
        await call("PATCH", await beginUpload(call, repository), {
          body: bytes.subarray(0, 1500),
          headers: range(0, 1499)
        })
      )
      const done = await call("PUT", withQuery(location, `digest=${digest}`), {
        body: bytes.subarray(1500),
        headers: range(1500, 1999)
      })
      await expectPushed(done, repository, digest, bytes)
    })

    test("one stream of unknown length, without Content-Range, as docker and podman send it", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes(200_000)
      const digest = digestOf("sha256", bytes)
      const body = [bytes.subarray(0, 70_000), bytes.subarray(70_000)]
      const sent = await call("PATCH", await beginUpload(call, repository), { body, headers: octets })
      expectStatus(sent, 202)
      expect(sent.headers.range).toBe("0-199999")
      const done = await call("PUT", withQuery(locationOf(sent), `digest=${digest}`))
      await expectPushed(done, repository, digest, bytes)
    })

    test.each([
      ["that leaves a gap", 1500],
      ["that repeats bytes", 0],
      ["that overlaps", 500]
    ])("a chunk %s is 416; earlier bytes stay, and the upload can continue", async (_, first) => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes(2000)
      const digest = digestOf("sha256", bytes)
      const location = locationOf(
        await call("PATCH", await beginUpload(call, repository), {
          body: bytes.subarray(0, 1000),
          headers: range(0, 999)
        })
      )
      const body = bytes.subarray(first, first + 500)
      expectStatus(await call("PATCH", location, { body, headers: range(first, first + 499) }), 416)
      const late = await call("PUT", withQuery(location, `digest=${digest}`), {
        body,
        headers: range(first, first + 499)
      })
      expectStatus(late, 416)
      const state = expectStatus(await call("GET", location), 204)
      expect(state.headers.range).toBe("0-999")
      const rest = await call("PATCH", locationOf(state), {
        body: bytes.subarray(1000),
        headers: range(1000, 1999)
      })
      const done = await call("PUT", withQuery(locationOf(rest), `digest=${digest}`))
      await expectPushed(done, repository, digest, bytes)
    })

    test("a first chunk that does not begin at 0 is 416", async () => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      expectStatus(await call("PATCH", location, { body: freshBytes(100), headers: range(1, 100) }), 416)
    })

    test.each(["0", "0-", "-99", "99-0", "a-b"])("a Content-Range of %j is refused", async (contentRange) => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      const headers = { ...octets, "content-range": contentRange }
      const answer = await call("PATCH", location, { body: freshBytes(100), headers })
      expect([400, 416]).toContain(answer.status)
      expect(errorCode(answer)).toBe("BLOB_UPLOAD_INVALID")
    })

    test("a Content-Range of another length than the body is refused", async () => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      const answer = await call("PATCH", location, { body: freshBytes(100), headers: range(0, 49) })
      expect([400, 416]).toContain(answer.status)
    })

    test("an upload of another repository is unknown", async () => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      const elsewhere = location.replace(/r\d+\/blobs/, "other/blobs")
      expectStatus(await call("PATCH", elsewhere, { body: freshBytes() }), 404)
    })
  })

  describe("end-4c: POST that names the algorithm of the digest", () => {
    test.each(["sha256", "sha512"] as const)("%s, then a chunk, then the end", async (algorithm) => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes(1500)
      const digest = digestOf(algorithm, bytes)
      const location = await beginUpload(call, repository, `?digest-algorithm=${algorithm}`)
      const sent = await call("PATCH", location, { body: bytes, headers: range(0, 1499) })
      const done = await call("PUT", withQuery(locationOf(sent), `digest=${digest}`))
      await expectPushed(done, repository, digest, bytes)
    })

    test("an unknown algorithm is 400", async () => {
      const { call } = registry()
      const path = `/v2/${newRepository()}/blobs/uploads/?digest-algorithm=md5`
      expect(errorCode(expectStatus(await call("POST", path), 400))).toBe("DIGEST_INVALID")
    })
  })
}
