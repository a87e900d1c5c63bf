// Deletions (OCI distribution specification, "Content Management"): end-9 deletes a tag or a manifest, end-10 a blob.
// Deleted content is gone for the next request.

import { describe, expect, test } from "vitest"
import {
  descriptor,
  errorCode,
  expectStatus,
  freshBytes,
  indexDocument,
  nowhere,
  pushBlob,
  pushImage,
  pushManifest
} from "./content.ts"
import { newRepository, type Part } from "./registry-under-test.ts"

export const management: Part = (registry) => {
  const statusOf = async (path: string) => (await registry().call("GET", path)).status

  const tagsIn = async (repository: string): Promise<ReadonlyArray<string>> =>
    JSON.parse((await registry().call("GET", `/v2/${repository}/tags/list`)).text).tags

  describe("end-9: DELETE of a tag", () => {
    test("202: the tag is gone; the manifest and its other tags stay", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const path = (reference: string) => `/v2/${repository}/manifests/${reference}`
      const headers = { "content-type": image.mediaType }
      expectStatus(await call("PUT", path("2"), { body: image.bytes, headers }), 201)
      expectStatus(await call("DELETE", path("1")), 202)
      expect(errorCode(expectStatus(await call("GET", path("1")), 404))).toBe("MANIFEST_UNKNOWN")
      expectStatus(await call("HEAD", path("1")), 404)
      expectStatus(await call("GET", path("2")), 200)
      expectStatus(await call("GET", path(image.digest)), 200)
      expect(await tagsIn(repository)).toEqual(["2"])
    })

    test("it can be pushed again", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "1")
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/1`), 202)
      const again = await pushImage(call, repository, "1")
      const got = expectStatus(await call("GET", `/v2/${repository}/manifests/1`), 200)
      expect(got.headers["docker-content-digest"]).toBe(again.digest)
    })

    test("an absent tag is 404, in a repository or without one", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "1")
      const absent = expectStatus(await call("DELETE", `/v2/${repository}/manifests/2`), 404)
      expect(errorCode(absent)).toBe("MANIFEST_UNKNOWN")
      expectStatus(await call("DELETE", `/v2/${newRepository()}/manifests/1`), 404)
    })
  })

  describe("end-9: DELETE of a manifest", () => {
    test("202: the manifest is gone with every tag that names it; the others stay", async () => {
      const { call } = registry()
      const repository = newRepository()
      const gone = await pushImage(call, repository, "1")
      const path = (reference: string) => `/v2/${repository}/manifests/${reference}`
      const headers = { "content-type": gone.mediaType }
      expectStatus(await call("PUT", path("2"), { body: gone.bytes, headers }), 201)
      const stays = await pushImage(call, repository, "3")
      expectStatus(await call("DELETE", path(gone.digest)), 202)
      for (const reference of ["1", "2", gone.digest]) {
        expectStatus(await call("GET", path(reference)), 404)
        expectStatus(await call("HEAD", path(reference)), 404)
      }
      expectStatus(await call("GET", path(stays.digest)), 200)
      expect(await tagsIn(repository)).toEqual(["3"])
    })

    test("the same manifest in another repository stays", async () => {
      const { call } = registry()
      const [repository, other] = [newRepository(), newRepository()]
      const image = await pushImage(call, repository, "1")
      const { layers, config } = JSON.parse(Buffer.from(image.bytes).toString())
      for (const { digest } of [config, ...layers]) {
        expectStatus(
          await call("POST", `/v2/${other}/blobs/uploads/?mount=${digest}&from=${repository}`),
          201
        )
      }
      const headers = { "content-type": image.mediaType }
      expectStatus(await call("PUT", `/v2/${other}/manifests/1`, { body: image.bytes, headers }), 201)
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/${image.digest}`), 202)
      expectStatus(await call("GET", `/v2/${other}/manifests/1`), 200)
      expectStatus(await call("GET", `/v2/${other}/blobs/${config.digest}`), 200)
    })

    test("it is no longer a referrer; as a subject it keeps its referrers", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const [first, second] = [
        await pushImage(call, repository, undefined, { subject: descriptor(image) }),
        await pushImage(call, repository, undefined, { subject: descriptor(image) })
      ]
      const referrers = async () => {
        const got = expectStatus(await call("GET", `/v2/${repository}/referrers/${image.digest}`), 200)
        return JSON.parse(got.text).manifests.map(({ digest }: { digest: string }) => digest)
      }
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/${first!.digest}`), 202)
      expect(await referrers()).toEqual([second!.digest])
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/${image.digest}`), 202)
      expect(await referrers()).toEqual([second!.digest])
    })

    test("deleting an index keeps its images", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository)
      const index = await pushManifest(call, repository, indexDocument([image]), "1")
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/${index.digest}`), 202)
      expect(await statusOf(`/v2/${repository}/manifests/${index.digest}`)).toBe(404)
      expect(await statusOf(`/v2/${repository}/manifests/${image.digest}`)).toBe(200)
    })

    test("it can be pushed again", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      expectStatus(await call("DELETE", `/v2/${repository}/manifests/${image.digest}`), 202)
      const headers = { "content-type": image.mediaType }
      expectStatus(await call("PUT", `/v2/${repository}/manifests/1`, { body: image.bytes, headers }), 201)
      expect(await statusOf(`/v2/${repository}/manifests/${image.digest}`)).toBe(200)
    })

    test("an absent manifest is 404, an invalid digest 400", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "1")
      const path = (name: string, digest: string) => `/v2/${name}/manifests/${digest}`
      expectStatus(await call("DELETE", path(repository, nowhere)), 404)
      expectStatus(await call("DELETE", path(newRepository(), nowhere)), 404)
      expectStatus(await call("DELETE", path(repository, "sha256:abc")), 400)
    })
  })

  describe("end-10: DELETE of a blob", () => {
    test("202: the blob is gone from its repository, and from no other", async () => {
      const { call } = registry()
      const [repository, other] = [newRepository(), newRepository()]
      const bytes = freshBytes()
      const { digest } = await pushBlob(call, repository, bytes)
      await pushBlob(call, other, bytes)
      const path = `/v2/${repository}/blobs/${digest}`
      expectStatus(await call("DELETE", path), 202)
      expect(errorCode(expectStatus(await call("GET", path), 404))).toBe("BLOB_UNKNOWN")
      expectStatus(await call("HEAD", path), 404)
      expectStatus(await call("DELETE", path), 404)
      expectStatus(await call("GET", `/v2/${other}/blobs/${digest}`), 200)
    })

    test("it can be pushed again", async () => {
      const { call } = registry()
      const repository = newRepository()
      const bytes = freshBytes()
      const { digest } = await pushBlob(call, repository, bytes)
      expectStatus(await call("DELETE", `/v2/${repository}/blobs/${digest}`), 202)
      await pushBlob(call, repository, bytes)
      const got = expectStatus(await call("GET", `/v2/${repository}/blobs/${digest}`), 200)
      expect(got.bytes).toEqual(new Uint8Array(bytes))
    })

    test("an absent blob is 404, an invalid digest 400", async () => {
      const { call } = registry()
      const repository = newRepository()
      await pushImage(call, repository, "1")
      const absent = expectStatus(await call("DELETE", `/v2/${repository}/blobs/${nowhere}`), 404)
      expect(errorCode(absent)).toBe("BLOB_UNKNOWN")
      expectStatus(await call("DELETE", `/v2/${newRepository()}/blobs/${nowhere}`), 404)
      expectStatus(await call("DELETE", `/v2/${repository}/blobs/sha256:abc`), 400)
    })
  })
}
