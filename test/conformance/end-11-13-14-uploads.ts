// Other requests to an upload (OCI distribution specification, "Pushing blobs"): end-11 mounts a blob of another
// repository, end-13 returns the progress of an upload, end-14 cancels it.

import { describe, expect, test } from "vitest"
import { digestOf } from "../support/deterministic-bytes.ts"
import {
  beginUpload,
  errorCode,
  expectStatus,
  freshBytes,
  locationOf,
  nowhere,
  pushBlob,
  withQuery
} from "./content.ts"
import { newRepository, type Part } from "./registry-under-test.ts"

export const uploads: Part = (registry) => {
  describe("end-11: POST that mounts", () => {
    test.each([
      ["from the repository that has it", (from: string) => `&from=${from}`],
      ["from any repository", () => ""]
    ])("%s: 201, and it can be pulled", async (_, from) => {
      const { call } = registry()
      const source = newRepository()
      const repository = newRepository()
      const bytes = freshBytes()
      const { digest } = await pushBlob(call, source, bytes)
      const path = `/v2/${repository}/blobs/uploads/?mount=${digest}${from(source)}`
      const mounted = expectStatus(await call("POST", path), 201)
      expect(locationOf(mounted)).toBe(`/v2/${repository}/blobs/${digest}`)
      expect(mounted.headers["docker-content-digest"]).toBe(digest)
      const got = expectStatus(await call("GET", locationOf(mounted)), 200)
      expect(got.bytes).toEqual(new Uint8Array(bytes))
    })

    test("of an absent blob: 202, and the upload can be made", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const digest = digestOf("sha256", bytes)
      const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${newRepository()}`
      const location = locationOf(expectStatus(await call("POST", path), 202))
      expectStatus(await call("PUT", withQuery(location, `digest=${digest}`), { body: bytes }), 201)
      expectStatus(await call("HEAD", `/v2/${repository}/blobs/${digest}`), 200)
    })

    test("of an invalid digest: 400", async () => {
      const { call } = registry()
      const path = `/v2/${newRepository()}/blobs/uploads/?mount=latest&from=${newRepository()}`
      expect(errorCode(expectStatus(await call("POST", path), 400))).toBe("DIGEST_INVALID")
    })
  })

  describe("end-13: GET of an upload", () => {
    test("204 with the location and the progress", async () => {
      const { call } = registry()
      const location = await beginUpload(call, newRepository())
      const empty = expectStatus(await call("GET", location), 204)
      // The form cannot express "no byte": version 1.1 has clients read a last byte, so an empty upload has 0-0.
      expect(empty.headers.range).toBe("0-0")
      await call("PATCH", locationOf(empty), { body: freshBytes(700) })
      const after = expectStatus(await call("GET", locationOf(empty)), 204)
      expect(after.headers.range).toBe("0-699")
      locationOf(after)
    })

    test("404 when there is no such upload", async () => {
      const { call } = registry()
      const path = `/v2/${newRepository()}/blobs/uploads/4f6a61f0-30a6-4b8e-a7f5-0f6a3e3c1111`
      expect(errorCode(expectStatus(await call("GET", path), 404))).toBe("BLOB_UPLOAD_UNKNOWN")
    })
  })

  describe("end-14: DELETE of an upload", () => {
    test("204, and nothing can be done with it any more", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const digest = digestOf("sha256", bytes)
      const sent = await call("PATCH", await beginUpload(call, repository), { body: bytes })
      const location = locationOf(sent)
      expectStatus(await call("DELETE", location), 204)
      expectStatus(await call("GET", location), 404)
      expectStatus(await call("PATCH", location, { body: bytes }), 404)
      expectStatus(await call("PUT", withQuery(location, `digest=${digest}`)), 404)
      expectStatus(await call("DELETE", location), 404)
      expectStatus(await call("HEAD", `/v2/${repository}/blobs/${digest}`), 404)
    })

    test("a cancelled upload leaves the others", async () => {
      const { call } = registry()
      const repository = newRepository()
      const [first, second] = [await beginUpload(call, repository), await beginUpload(call, repository)]
      expectStatus(await call("DELETE", first), 204)
      expectStatus(await call("GET", second), 204)
      expectStatus(await call("HEAD", `/v2/${repository}/blobs/${nowhere}`), 404)
    })
  })
}
