// The client of the trackers. Every blob has its trackers in rendezvous order, and the first one that answers is
// used. A batch of announces is split by tracker. Metainfo is the same everywhere, so any tracker is asked for it: a
// flash crowd of hosts that all need it then has the uplinks of all trackers. Metainfo is accepted only for the
// requested digest; the swarm's id is computed here, never taken from the wire.

import { Data, Effect, Option, Random } from "effect"
import type { HttpClient } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmInfo, Torrent } from "../../protocol/wire/metainfo.ts"
import { Digests } from "../services/digests.ts"
import { apiClient } from "./api-client.ts"
import { askMetainfo } from "./ask-metainfo.ts"
import { BlobOnItsWay, type BlobUnknown, blobUnknown } from "./origin-errors.ts"
import { TrackerApi } from "./tracker-api.ts"
import type { AnnounceBatch, SwarmAnnounce, SwarmHandOut } from "./tracker-wire.ts"
import { baseUrl, makeUpstreams, noneHealthy, type UpstreamFailed, unrefused } from "./upstreams.ts"

export type { BlobUnknown }

/** No tracker answered, or none with a usable answer. `message` names each and why. */
export class TrackerUnavailable extends Data.TaggedError("TrackerUnavailable")<{
  readonly message: string
}> {}

export interface TrackerClient {
  /**
   * Announces the host's swarms. Returns the hand-outs of all swarms for which a tracker answered. Fails only when
   * there were swarms and no tracker answered. At most limits.maxSwarmsPerAnnounce swarms.
   */
  readonly announce: (batch: AnnounceBatch) => Effect.Effect<ReadonlyArray<SwarmHandOut>, TrackerUnavailable>
  /**
   * The blob's metainfo, or its arrival. One round over the trackers. The caller decides how long to keep asking.
   * BlobUnknown: no origin has it.
   */
  readonly metainfo: (
    namespace: string,
    digest: Digest
  ) => Effect.Effect<Torrent<SwarmInfo>, BlobUnknown | BlobOnItsWay | TrackerUnavailable>
  /** Reasons why no tracker answers, one line each; empty when one does. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

const api = apiClient(TrackerApi)

export const makeTrackerClient = (
  trackers: ReadonlyArray<string>
): Effect.Effect<TrackerClient, never, HttpClient.HttpClient | Digests> =>
  Effect.gen(function* () {
    const members = trackers.map(baseUrl)
    const upstreams = yield* makeUpstreams
    const { limits } = upstreams
    const digests = yield* Digests

    const anyOrder = members.length === 1 ? Effect.succeed(members) : Random.shuffle(members)

    const order = (digest: Digest) => upstreams.preferred(ringOwners(digest, members, members.length))

    const announceTo = (
      url: string,
      batch: AnnounceBatch
    ): Effect.Effect<ReadonlyArray<SwarmHandOut>, UpstreamFailed> =>
      upstreams.call(url, limits.askTimeout, api.announce.post({ payload: batch })).pipe(
        unrefused(url, "an announce"),
        Effect.map(({ swarms }) => swarms)
      )

    const announce: TrackerClient["announce"] = (batch) =>
      Effect.gen(function* () {
        const answered: SwarmHandOut[] = []
        const failures = new Map<string, string>()
        // Each round sends every open swarm to its best tracker that has not failed yet.
        let open: ReadonlyArray<SwarmAnnounce> = batch.swarms
        for (let round = 0; open.length > 0 && round < members.length; round++) {
          const groups = new Map<string, SwarmAnnounce[]>()
          for (const swarm of open) {
            const tracker = (yield* order(swarm.digest)).find((url) => !failures.has(url))
            if (tracker === undefined) continue
            const group = groups.get(tracker)
            if (group === undefined) groups.set(tracker, [swarm])
            else group.push(swarm)
          }
          const failed: SwarmAnnounce[] = []
          yield* Effect.forEach(
            groups,
            ([url, swarms]) =>
              Effect.match(announceTo(url, { peer: batch.peer, swarms }), {
                onSuccess: (handOuts) => void answered.push(...handOuts),
                onFailure: (error) => {
                  failures.set(url, error.message)
                  failed.push(...swarms)
                }
              }),
            // A single tracker is asked in this fiber.
            { concurrency: groups.size === 1 ? 1 : limits.maxParallelAsks, discard: true }
          )
          open = failed
        }
        if (answered.length === 0 && batch.swarms.length > 0 && failures.size > 0) {
          return yield* new TrackerUnavailable({
            message: `no tracker answered: ${[...failures.values()].join("; ")}`
          })
        }
        return answered
      })

    return {
      announce,
      notReady: noneHealthy(upstreams, members),
      metainfo: (namespace, digest) =>
        Effect.gen(function* () {
          const failures: string[] = []
          for (const url of yield* upstreams.preferred(yield* anyOrder)) {
            const asked = askMetainfo(
              upstreams,
              url,
              { tag: "Metainfo", namespace, digest },
              limits.httpTimeout
            )
            const answered = yield* Effect.result(asked)
            if (answered._tag === "Failure") {
              failures.push(answered.failure.message)
              continue
            }
            const found = Option.getOrUndefined(answered.success)
            if (found === undefined) return yield* blobUnknown(digest)
            if (found instanceof BlobOnItsWay) return yield* found
            return { swarm: digests.swarmId(found.metainfo), metainfo: found.metainfo }
          }
          return yield* new TrackerUnavailable({ message: `no tracker answered: ${failures.join("; ")}` })
        })
    }
  })
