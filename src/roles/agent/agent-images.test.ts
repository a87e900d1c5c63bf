// Tests of an agent's image source: names go to the resolver, content to the downloads, and each failure of a download
// becomes the right error of the registry.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { valuesOf } from "../../../testing/roles/metrics.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BuildIndexClient } from "../client/build-index-client.ts"
import { blobUnknown } from "../client/origin-errors.ts"
import { ImageUnknown } from "../registry/image-source.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeAgentImages } from "./agent-images.ts"
import type { Downloads, PullError } from "./downloads.ts"
import type { ImageResolver } from "./image-resolver.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const selection = { ranges: [{ start: 1, end: 2 }], isWhole: false }
const resolved = { digest, mediaType: "a/b", size: 3 }

/** Images whose resolver and downloads log the calls; downloads fail with `failure` if it is set. */
const scene = () => {
  const log: string[] = []
  const script = { failure: undefined as PullError | undefined, hasBlob: true }
  const answer = <A>(text: string, value: A) =>
    Effect.suspend((): Effect.Effect<A, PullError> => {
      log.push(text)
      return script.failure === undefined ? Effect.succeed(value) : Effect.fail(script.failure)
    })
  const downloads = {
    torrent: () => answer("torrent", { metainfo: { length: 7 } }),
    prepare: () => answer("prepare", undefined),
    read: (_: string, __: Digest, read: typeof selection) =>
      Stream.fromEffect(answer(`read ${JSON.stringify(read)}`, new Uint8Array([1, 2, 3])))
  } as unknown as Downloads
  const resolver = {
    tag: (_: string, name: string) =>
      Effect.map(
        Effect.sync(() => log.push(`tag ${name}`)),
        () => resolved
      ),
    manifest: () =>
      Effect.map(
        Effect.sync(() => log.push("manifest")),
        () => resolved
      ),
    blob: () =>
      script.hasBlob ? Effect.void : Effect.fail(new ImageUnknown({ what: "blob", message: "not here" }))
  } as unknown as ImageResolver
  const metrics = makeRoleMetrics("agent")
  const images = makeAgentImages(downloads, {} as BuildIndexClient, resolver, metrics)
  return { images, log, script, metrics }
}

describe("images of an agent", () => {
  it.effect("are resolved by tag or by digest", () =>
    Effect.gen(function* () {
      const { images, log } = scene()
      yield* images.resolve("demo/app", { tag: "Tag", name: "latest" })
      yield* images.resolve("demo/app", { tag: "Digest", digest })
      expect(log).toEqual(["tag latest", "manifest"])
    })
  )

  it.effect("come from the swarm: manifests whole, blobs in ranges", () =>
    Effect.gen(function* () {
      const { images, log } = scene()
      expect(yield* images.manifest("demo/app", resolved)).toEqual(new Uint8Array([1, 2, 3]))
      expect(yield* images.statBlob("demo/app", digest)).toEqual({ length: 7 })
      yield* images.prepareBlob?.("demo/app", digest, selection) ?? Effect.void
      yield* Stream.runDrain(images.readBlob("demo/app", digest, selection))
      expect(log).toEqual([
        'read {"ranges":[{"start":0,"end":3}],"isWhole":true}',
        "torrent",
        "prepare",
        'read {"ranges":[{"start":1,"end":2}],"isWhole":false}'
      ])
    })
  )

  it.effect("are counted with the time of each read of a blob, by outcome", () =>
    Effect.sync(() => {
      const { images, metrics } = scene()
      images.blobRead?.("done", 2)
      images.blobRead?.("done", 40)
      images.blobRead?.("failed", 0)
      const reads = (outcome: string) =>
        valuesOf(metrics.text(), "shoal_blob_pull_seconds", { outcome }, "2.5")
      expect(reads("done")).toEqual({ count: 2, within: 1 })
      expect(reads("failed")).toEqual({ count: 1, within: 1 })
      expect(reads("cancelled")).toEqual({ count: 0, within: 0 })
    })
  )

  it.effect("have no blob that the repository lacks, and no tracker is asked for it", () =>
    Effect.gen(function* () {
      const { images, log, script } = scene()
      script.hasBlob = false
      expect((yield* Effect.flip(images.statBlob("demo/app", digest)))._tag).toBe("ImageUnknown")
      expect(log).toEqual([])
    })
  )

  it.effect("are unknown, unavailable or too large for the disk, as the download says", () =>
    Effect.gen(function* () {
      const { images, script } = scene()
      const failed = (reason?: "full") =>
        ({
          _tag: "PullFailed",
          digest,
          message: "why",
          ...(reason === undefined ? {} : { reason })
        }) as PullError
      const answers: unknown[] = []
      for (const failure of [blobUnknown(digest, []), failed(), failed("full")]) {
        script.failure = failure
        for (const [what, read] of [
          ["manifest", images.manifest("demo/app", resolved)],
          ["blob", images.statBlob("demo/app", digest)],
          ["blob", images.prepareBlob?.("demo/app", digest, selection) ?? Effect.void],
          ["blob", Stream.runDrain(images.readBlob("demo/app", digest, selection))]
        ] as ReadonlyArray<readonly [string, Effect.Effect<unknown, { readonly _tag: string }>]>) {
          const error = yield* Effect.flip(read)
          if (error._tag === "ImageUnknown") expect(error).toMatchObject({ what })
          answers.push("reason" in error ? error.reason : error._tag)
        }
      }
      const four = (answer: string) => [answer, answer, answer, answer]
      expect(answers).toEqual([...four("ImageUnknown"), ...four("ImageUnavailable"), ...four("full")])
    })
  )
})
