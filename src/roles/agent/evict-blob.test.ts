// Tests of the eviction of a blob from an agent: the order of its steps, and the blobs that stay.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import type { Announcer } from "../peer/announcer.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStore } from "../services/blob-store.ts"
import type { Downloads } from "./downloads.ts"
import { evictBlob } from "./evict-blob.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const swarm = "1".repeat(64) as SwarmId

/** Evicts a blob with or without metainfo, whose swarm is or is not in use; the result and the steps. */
const evict = (torrent: Option.Option<Torrent>, isInUse: boolean) =>
  Effect.gen(function* () {
    const steps: string[] = []
    const step = (text: string) => Effect.sync(() => void steps.push(text))
    const went = yield* evictBlob({
      blobs: {
        metainfo: () => Effect.succeed(torrent),
        remove: () => step("remove")
      } as Partial<BlobStore> as BlobStore,
      engine: {
        retire: <E>(retired: SwarmId, removal: Effect.Effect<void, E>) =>
          isInUse
            ? Effect.succeed(false)
            : Effect.as(Effect.andThen(step(retired === swarm ? "retire" : "retire another"), removal), true)
      } as Partial<PeerEngine> as PeerEngine,
      announcer: { gone: () => step("announce") } as Partial<Announcer> as Announcer,
      downloads: { forget: () => step("forget") } as Partial<Downloads> as Downloads
    })(digest)
    return [went, ...steps]
  })

describe("an eviction", () => {
  const torrent = Option.some({ swarm } as Torrent)

  it.effect("forgets the download, closes the swarm, announces that and removes the blob", () =>
    Effect.map(evict(torrent, false), (steps) => {
      expect(steps).toEqual([true, "forget", "retire", "announce", "remove"])
    })
  )

  it.effect("removes nothing while the swarm is in use", () =>
    Effect.map(evict(torrent, true), (steps) => {
      expect(steps).toEqual([false, "forget"])
    })
  )

  it.effect("removes a blob without metainfo, which has no swarm", () =>
    Effect.map(evict(Option.none(), true), (steps) => {
      expect(steps).toEqual([true, "remove"])
    })
  )
})
