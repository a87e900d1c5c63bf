// Property test of the pages of referrers, over an image source of the test: the pages together are the referrers and
// the entries of the fallback tag that still exist, filtered, sorted and each once.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import fc from "fast-check"
import { describe } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { ociLimits } from "../oci/limits.ts"
import { mediaTypes } from "../oci/manifest.ts"
import type { OciError } from "../oci/oci-error.ts"
import {
  type ImageSource,
  type ImageSourceError,
  ImageUnavailable,
  ImageUnknown,
  type Referrer
} from "./image-source.ts"
import { registryLimits } from "./limits.ts"
import { readReferrers } from "./referrers.ts"

const limits = { ...registryLimits, ...ociLimits }
const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
const subject = digest(999)
const referrer = (number: number, size = 1): Referrer => ({
  mediaType: mediaTypes.ociManifest,
  digest: digest(number),
  size,
  ...(number % 4 === 3 ? {} : { artifactType: `type/${number % 4}` })
})

interface Kept {
  /** Numbers of the referrers that the registry knows, and of those that the fallback tag lists. */
  readonly referrers: ReadonlyArray<number>
  readonly listed: ReadonlyArray<number>
  readonly deleted: ReadonlySet<number>
  readonly fallback?: { readonly mediaType: string; readonly text: string }
  /** The most referrers that the source gives at once, whatever the limit of the page. */
  readonly atOnce?: number
}

const sourceOf = ({ referrers, listed, deleted, fallback, atOnce = 100 }: Kept): ImageSource => {
  const index = fallback ?? {
    mediaType: mediaTypes.ociIndex,
    text: JSON.stringify({ manifests: listed.map((number) => referrer(number, 2)) })
  }
  return {
    resolve: (_: string, reference: { readonly digest: Digest }) => {
      const number = Number.parseInt(reference.digest.slice(7), 16)
      return deleted.has(number)
        ? Effect.fail(new ImageUnknown({ what: "manifest", message: "deleted" }))
        : Effect.succeed({ digest: reference.digest, mediaType: "a/b", size: 1 })
    },
    manifest: () => Effect.succeed(new TextEncoder().encode(index.text)),
    referrers: (
      _: string,
      __: Digest,
      { last, limit }: { readonly last?: string; readonly limit: number },
      artifactType: string | undefined
    ) => {
      const found = [...referrers]
        .sort((one, other) => one - other)
        .map((number) => referrer(number))
        .filter((one) => artifactType === undefined || one.artifactType === artifactType)
        .filter((one) => last === undefined || one.digest > last)
      return Effect.succeed({
        referrers: found.slice(0, Math.min(limit, atOnce)),
        more: found.length > Math.min(limit, atOnce),
        fallback: { digest: digest(1000), mediaType: index.mediaType, size: 1 }
      })
    }
  } as unknown as ImageSource
}

interface Page {
  readonly referrers: ReadonlyArray<Referrer>
  readonly link: string | undefined
  readonly filters: string | undefined
}

const page = (
  source: ImageSource,
  query: Readonly<Record<string, string>>
): Effect.Effect<Page, OciError | ImageSourceError> =>
  Effect.gen(function* () {
    const response = yield* Effect.provideService(
      readReferrers(source, limits, "demo/app", subject),
      HttpServerRequest.ParsedSearchParams,
      query
    )
    const text = yield* Effect.promise(() => HttpServerResponse.toWeb(response).text())
    const { link, "oci-filters-applied": filters } = response.headers
    return { referrers: JSON.parse(text).manifests, link, filters }
  })

/** All pages, by their links. */
const allPages = (source: ImageSource, first: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const pages: Page[] = []
    let query: Readonly<Record<string, string>> | undefined = first
    while (query !== undefined) {
      const next: Page = yield* page(source, query)
      pages.push(next)
      const [, search] = /^<\/v2\/demo\/app\/referrers\/[^?]*\?(.*)>; rel="next"$/.exec(next.link ?? "") ?? []
      query = search === undefined ? undefined : Object.fromEntries(new URLSearchParams(search))
    }
    return pages
  })

describe("the pages of referrers", () => {
  it("are together what refers to the subject, sorted and each once", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        fc.option(fc.constantFrom("type/0", "type/1"), { nil: undefined }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 8 }),
        async (referrers, listed, deletedListed, artifactType, n, atOnce) => {
          const deleted = new Set(deletedListed.filter((number) => !referrers.includes(number)))
          const source = sourceOf({ referrers, listed, deleted, atOnce })
          const query = { n: String(n), ...(artifactType === undefined ? {} : { artifactType }) }
          const pages = await Effect.runPromise(allPages(source, query))
          const present = [...referrers, ...listed.filter((number) => !deleted.has(number))]
          const expected = [...new Set(present)]
            .sort((one, other) => one - other)
            .map((number) => referrer(number, referrers.includes(number) ? 1 : 2))
            .filter((one) => artifactType === undefined || one.artifactType === artifactType)
          assert.deepStrictEqual(
            pages.flatMap(({ referrers }) => referrers),
            expected
          )
          for (const { referrers, filters } of pages) {
            assert.isAtMost(referrers.length, n)
            assert.strictEqual(filters, artifactType === undefined ? undefined : "artifactType")
          }
          if (pages.length > 1) for (const { referrers } of pages) assert.isAtLeast(referrers.length, 1)
        }
      )
    ))

  it.effect("do not use a fallback tag that is no index, or whose index is malformed", () =>
    Effect.gen(function* () {
      const text = JSON.stringify({ manifests: [referrer(2)] })
      for (const fallback of [
        { mediaType: mediaTypes.ociManifest, text },
        { mediaType: mediaTypes.ociIndex, text: "oops" },
        { mediaType: mediaTypes.ociIndex, text: JSON.stringify({ manifests: [{ digest: "sha256:bad" }] }) }
      ]) {
        const source = sourceOf({ referrers: [1], listed: [], deleted: new Set(), fallback })
        assert.deepStrictEqual((yield* page(source, {})).referrers, [referrer(1)])
      }
    })
  )

  it.effect("fail if it is unknown whether an entry of the fallback tag exists", () =>
    Effect.gen(function* () {
      const source = sourceOf({ referrers: [], listed: [1], deleted: new Set() })
      const away = new ImageUnavailable({ message: "away" })
      const failing = { ...source, resolve: () => Effect.fail(away) }
      assert.strictEqual(yield* Effect.flip(page(failing, {})), away)
    })
  )

  it.effect("are refused for a malformed n", () =>
    Effect.gen(function* () {
      const source = sourceOf({ referrers: [], listed: [], deleted: new Set() })
      assert.strictEqual((yield* Effect.flip(page(source, { n: "x" })))._tag, "OciError")
    })
  )
})
