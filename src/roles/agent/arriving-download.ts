// What differs for a download of a blob that an origin is still receiving: it goes on as long as the blob arrives there
// or pieces come from peers, and in the end the blob is announced by its metainfo.
//
// Invariant: one small question to a tracker per pause and download. It does not know who waits for the blob.

import { Effect, Option } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import type { TrackerClient } from "../client/tracker-client.ts"
import type { Announcer } from "../peer/announcer.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import type { BlobStore } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"

const noLongerArriving = new SwarmBroken({
  reason: "stalled",
  message: "the origin that was receiving the blob receives it no more; ask again"
})

/**
 * Breaks the swarm when the origin does not receive the blob any more, and nothing comes from peers although somebody
 * waits for it.
 */
export const followArrival = (
  tracker: TrackerClient,
  namespace: string,
  swarm: OpenSwarm,
  pause: Micros
): Effect.Effect<void> => {
  const check = Effect.gen(function* () {
    const before = swarm.lastProgress()
    yield* Effect.sleep(toDuration(pause))
    if (swarm.have.isFull) return true
    const asked = yield* Effect.result(tracker.metainfo(namespace, swarm.metainfo.digest))
    const isSame = asked._tag === "Success" && asked.success.swarm === swarm.swarm
    if (isSame) swarm.noteProgress()
    const isUncertain = asked._tag === "Failure" && asked.failure._tag === "TrackerUnavailable"
    if (isSame || isUncertain || swarm.lastProgress() > before) return false
    swarm.breakWith(noLongerArriving)
    return true
  })
  return Effect.asVoid(Effect.repeat(check, { until: (ended) => ended }))
}

/** A blob that has arrived has metainfo, by which hosts that come now download it. */
export const announceArrived = (
  { announcer, blobs }: { readonly announcer: Announcer; readonly blobs: BlobStore },
  namespace: string,
  swarm: OpenSwarm
): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* announcer.gone(swarm.swarm)
    const torrent = yield* blobs.metainfo(swarm.metainfo.digest)
    if (Option.isSome(torrent)) yield* announcer.seed(torrent.value, namespace)
  }).pipe(Effect.catch((error) => Effect.logWarning("a blob that arrived is not announced:", error.message)))
