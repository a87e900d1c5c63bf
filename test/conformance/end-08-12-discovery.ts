// Discovery of content (OCI distribution specification, "Content Discovery"): end-8a lists the tags of a repository,
// end-8b a page of them; end-12a lists the manifests whose subject is a digest, end-12b those of one artifact type.

import { beforeAll, describe, expect, test } from "vitest"
import {
  descriptor,
  errorCode,
  expectStatus,
  indexDocument,
  nowhere,
  type Pushed,
  pushImage,
  pushManifest,
  types
} from "./content.ts"
import { type Answer, type Call, newRepository, type Part, patience } from "./registry-under-test.ts"

/** The target of a Link with rel="next" (RFC 5988); undefined without one. */
const nextOf = (answer: Answer): string | undefined => {
  const { link } = answer.headers
  if (link === undefined) return undefined
  const match = /^<([^>]+)>; ?rel="?next"?$/.exec(link)
  expect(match, link).not.toBeNull()
  return match![1]
}

/** Follows Links from `path` to the end. Returns every page. */
const pagesFrom = async (call: Call, path: string): Promise<ReadonlyArray<Answer>> => {
  const pages: Array<Answer> = []
  for (let next: string | undefined = path; next !== undefined; next = nextOf(pages.at(-1)!)) {
    pages.push(expectStatus(await call("GET", next), 200))
    expect(pages.length).toBeLessThan(100)
  }
  return pages
}

export const discovery: Part = (registry) => {
  /** A repository with one image under these tags. */
  const tagged = async (tags: ReadonlyArray<string>): Promise<string> => {
    const { call } = registry()
    const repository = newRepository()
    const image = await pushImage(call, repository)
    for (const tag of tags) {
      const path = `/v2/${repository}/manifests/${tag}`
      expectStatus(
        await call("PUT", path, { body: image.bytes, headers: { "content-type": image.mediaType } }),
        201
      )
    }
    return repository
  }

  const tagsOf = (answer: Answer): ReadonlyArray<string> => {
    expect(answer.headers["content-type"]).toBe("application/json")
    return JSON.parse(answer.text).tags
  }

  describe("end-8a: GET tags/list", () => {
    test("all tags, in the order of their bytes, with the repository's name", async () => {
      const repository = await tagged(["b", "a", "10", "B", "_x", "2"])
      for (const [, read] of registry().readers) {
        const list = expectStatus(await read("GET", `/v2/${repository}/tags/list`), 200)
        expect(JSON.parse(list.text)).toEqual({ name: repository, tags: ["10", "2", "B", "_x", "a", "b"] })
        expect(nextOf(list)).toBeUndefined()
      }
    })

    test("a repository without tags has an empty list, an absent one is 404", async () => {
      const repository = await tagged([])
      for (const [, read] of registry().readers) {
        expect(tagsOf(expectStatus(await read("GET", `/v2/${repository}/tags/list`), 200))).toEqual([])
        const absent = await read("GET", `/v2/${newRepository()}/tags/list`)
        expect(errorCode(expectStatus(absent, 404))).toBe("NAME_UNKNOWN")
      }
    })
  })

  describe("end-8b: GET tags/list?n=&last=", () => {
    const tags = ["a", "b", "c", "d", "e"]
    let repository: string
    beforeAll(async () => {
      repository = await tagged(tags)
    }, patience)

    /** The query, the answer, and whether there is more. */
    const pages: ReadonlyArray<readonly [string, ReadonlyArray<string>, boolean]> = [
      ["n=2", ["a", "b"], true],
      ["n=5", tags, false],
      ["n=9", tags, false],
      ["n=0", [], false],
      ["n=2&last=b", ["c", "d"], true],
      ["n=2&last=c", ["d", "e"], false],
      ["last=c", ["d", "e"], false],
      ["last=e", [], false],
      // A tag that does not exist still has a place in the order.
      ["n=1&last=bb", ["c"], true]
    ]
    test.each(pages)("%s gives %j, more: %s", async (query, expected, more) => {
      for (const [, read] of registry().readers) {
        const page = expectStatus(await read("GET", `/v2/${repository}/tags/list?${query}`), 200)
        expect(tagsOf(page)).toEqual(expected)
        expect(nextOf(page) !== undefined).toBe(more)
      }
    })

    test("Links lead through all tags, each once", async () => {
      const { readers } = registry()
      for (const [, read] of readers) {
        const found = await pagesFrom(read, `/v2/${repository}/tags/list?n=2`)
        expect(found.flatMap(tagsOf)).toEqual(tags)
      }
    })

    test("an n that is not a number is 400", async () => {
      expectStatus(await registry().call("GET", `/v2/${repository}/tags/list?n=-1`), 400)
    })
  })

  const listed = (answer: Answer): ReadonlyArray<Record<string, unknown>> => {
    expect(answer.headers["content-type"]).toBe(types.index)
    const index = JSON.parse(answer.text)
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: types.index })
    return index.manifests
  }

  const byDigest = (one: { digest?: unknown }, other: { digest?: unknown }) =>
    String(one.digest) < String(other.digest) ? -1 : 1

  const referrersOf = async (read: Call, repository: string, digest: string, query = "") =>
    [...listed(expectStatus(await read("GET", `/v2/${repository}/referrers/${digest}${query}`), 200))].sort(
      byDigest
    )

  describe("end-12a: GET referrers", () => {
    test("each has its type and annotations; an image without an artifact type has that of its config", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const subject = descriptor(image)
      const annotations = { "org.example.by": "a test" }
      const artifactType = "application/vnd.example.sbom"
      const listed = async (pushed: Promise<Pushed>, more: object) => ({
        ...descriptor(await pushed),
        ...more
      })
      const expected = [
        await listed(pushImage(call, repository, undefined, { subject, artifactType, annotations }), {
          artifactType,
          annotations
        }),
        await listed(pushImage(call, repository, "tagged", { subject }), { artifactType: types.config }),
        await listed(
          pushManifest(call, repository, indexDocument([image], { subject, artifactType, annotations })),
          { artifactType, annotations }
        ),
        await listed(pushManifest(call, repository, indexDocument([], { subject })), {})
      ].sort(byDigest)
      // One of another subject, and one of the same subject in another repository.
      await pushImage(call, repository, undefined, { subject: { ...subject, digest: nowhere } })
      await pushImage(call, newRepository(), undefined, { subject })
      for (const [name, read] of readers) {
        expect(await referrersOf(read, repository, image.digest), name).toEqual(expected)
      }
    })

    test("a subject that is pushed later has them too", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      // The digest is known before it is there, because the same bytes are pushed to another repository first.
      const image = await pushImage(call, newRepository())
      const early = await pushImage(call, repository, undefined, { subject: descriptor(image) })
      for (const [, read] of readers) {
        const found = await referrersOf(read, repository, image.digest)
        expect(found.map(({ digest }) => digest)).toEqual([early.digest])
      }
    })

    test("without referrers, an empty index, whether or not the subject exists", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      for (const [, read] of readers) {
        expect(await referrersOf(read, repository, image.digest)).toEqual([])
        expect(await referrersOf(read, repository, nowhere)).toEqual([])
        expect(await referrersOf(read, newRepository(), nowhere)).toEqual([])
      }
    })

    test("an invalid digest is 400", async () => {
      for (const [, read] of registry().readers) {
        for (const malformed of ["sha256:abc", "latest"]) {
          const answer = await read("GET", `/v2/${newRepository()}/referrers/${malformed}`)
          expect(errorCode(expectStatus(answer, 400))).toBe("DIGEST_INVALID")
        }
      }
    })

    test("more than a manifest may hold come in pages, each once", async () => {
      const { call } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const pushed: Array<string> = []
      for (let count = 0; count < 6; count++) {
        const annotations = { filler: String(count).repeat(1_000_000) }
        const document = indexDocument([], { subject: descriptor(image), annotations })
        pushed.push((await pushManifest(call, repository, document)).digest)
      }
      const pages = await pagesFrom(call, `/v2/${repository}/referrers/${image.digest}`)
      expect(pages.length).toBeGreaterThan(1)
      for (const page of pages) expect(page.bytes.length).toBeLessThanOrEqual(4 * 1024 * 1024)
      expect(
        pages
          .flatMap(listed)
          .map(({ digest }) => digest)
          .sort()
      ).toEqual(pushed.sort())
    })
  })

  describe("end-12b: GET referrers?artifactType=", () => {
    test("only those, and the answer says that it filtered", async () => {
      const { call, readers } = registry()
      const repository = newRepository()
      const image = await pushImage(call, repository, "1")
      const subject = descriptor(image)
      const pushOf = (artifactType: string) =>
        pushImage(call, repository, undefined, { subject, artifactType })
      const wanted = await pushOf("application/vnd.example.signature+json")
      await pushOf("application/vnd.example.sbom")
      const byConfig = await pushImage(call, repository, undefined, { subject })
      const chosen = async (read: Call, artifactType: string) => {
        const query = `?artifactType=${encodeURIComponent(artifactType)}`
        const path = `/v2/${repository}/referrers/${image.digest}${query}`
        const answer = expectStatus(await read("GET", path), 200)
        expect(answer.headers["oci-filters-applied"]).toBe("artifactType")
        return listed(answer).map(({ digest }) => digest)
      }
      for (const [, read] of readers) {
        expect(await chosen(read, "application/vnd.example.signature+json")).toEqual([wanted.digest])
        expect(await chosen(read, types.config)).toEqual([byConfig.digest])
        expect(await chosen(read, "application/vnd.example.other")).toEqual([])
        const all = await read("GET", `/v2/${repository}/referrers/${image.digest}`)
        expect(all.headers["oci-filters-applied"]).toBeUndefined()
        expect(listed(all).length).toBe(3)
      }
    })
  })
}
