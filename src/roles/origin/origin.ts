// An origin: it stores blobs, makes their metainfo, copies them to the other owners, and seeds them. This file
// assembles the parts.
//
//   PUT blob:  intend copies -> receive, digest checked -> metainfo -> copy to the other owners -> 201

import { Effect } from "effect"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { pieceCount } from "../../protocol/wire/metainfo.ts"
import type { PeerAddress } from "../../protocol/wire/peer-id.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { AskLimits } from "../client/limits.ts"
import { OriginApi } from "../client/origin-api.ts"
import { baseUrl, makeUpstreams } from "../client/upstreams.ts"
import { type HostProgram, RoleMisconfigured, type StartedRole } from "../host-program.ts"
import { apiRoutes } from "../http/api-routes.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { OciLimits } from "../oci/limits.ts"
import { makePeerEngine, type PeerEngine } from "../peer/peer-engine.ts"
import { peerIdOf } from "../peer/peer-identity.ts"
import type { UploadStore } from "../registry/upload-store.ts"
import type { BlobStore } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { HostStorage } from "../services/host-storage.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeUpstreamRegistries } from "../upstream/upstream-registries.ts"
import type { OriginConfig } from "./config.ts"
import { originAnswers } from "./origin-answers.ts"
import { makeOriginArrivals } from "./origin-arrivals.ts"
import { makeOriginCollect } from "./origin-collect.ts"
import { makeOriginMirror } from "./origin-mirror.ts"
import { makeOriginRepair } from "./origin-repair.ts"
import { makeOriginReplication } from "./origin-replication.ts"
import { makeOriginTouches } from "./origin-touches.ts"

export interface Origin extends StartedRole {
  readonly engine: PeerEngine
  /** For a proxy in the same process: what is pushed there is written once, here. */
  readonly uploads: UploadStore
}

/** A digest that no blob has: a request for it only shows that the store answers. */
const nobodysDigest = `sha256:${"0".repeat(64)}` as Digest

export const origin = (config: OriginConfig): HostProgram<Origin> =>
  Effect.gen(function* () {
    const members = config.origins.map(baseUrl)
    const self = baseUrl(config.self)
    if (!members.includes(self)) {
      return yield* new RoleMisconfigured({
        message: `origin: self is ${self} but origins are ${members.join(", ")}: name this origin in both`
      })
    }
    if (config.collect.every !== undefined && config.buildIndexes === undefined) {
      return yield* new RoleMisconfigured({
        message:
          "origin: collect.every is given, but not buildIndexes: name all of them, they know what is needed"
      })
    }
    const storage = yield* HostStorage
    const { originReplicas, healthTimeout } = yield* AskLimits
    const metrics = makeRoleMetrics("origin")
    const counter = makeRequestCounter(metrics)
    const blobs = yield* storage.blobs(config.data, { seedsUploads: true })
    const tables = yield* storage.tables(config.data)
    const peerId = yield* peerIdOf(config.data)
    const { peer, rates } = config
    const engine = yield* makePeerEngine({
      blobs,
      kind: "origin",
      peerId,
      peer,
      rates,
      metrics,
      seedArc: (metainfo) => {
        // Equal shares: when each owner has sent its own, together they have sent each piece once.
        const owners = ringOwners(metainfo.digest, members, originReplicas)
        const place = Math.max(0, owners.indexOf(self))
        const begin = (share: number) => Math.floor((share * pieceCount(metainfo)) / owners.length)
        return { firstPiece: begin(place), endPiece: begin(place + 1) }
      }
    })
    const upstreams = yield* makeUpstreams
    const touches = yield* makeOriginTouches
    const receive: BlobStore["receive"] = (digest, bytes) =>
      touches.using(digest, blobs.receive(digest, bytes))
    const repair = yield* makeOriginRepair({ blobs, receive, upstreams, members, self })
    const replication = yield* makeOriginReplication({
      ...{ blobs, tables, upstreams, repair, members, self, metrics }
    })
    const received: UploadStore = {
      createUpload: blobs.createUpload,
      uploadSize: (upload) => blobs.uploadSize(upload),
      appendUpload: (upload, offset, bytes) => blobs.appendUpload(upload, offset, bytes),
      abortUpload: (upload) => blobs.abortUpload(upload),
      commitUpload: (upload, digest) =>
        touches.using(
          digest,
          replication.aroundCommit(
            digest,
            Effect.tap(blobs.commitUpload(upload, digest), () => repair.completed(digest))
          )
        )
    }
    const arrivals = makeOriginArrivals(blobs, engine)
    const mirror =
      config.upstreams.length === 0
        ? undefined
        : yield* makeOriginMirror({
            registries: yield* makeUpstreamRegistries(config.upstreams),
            receive,
            arrivals: {
              receive: (digest, length, bytes, began) =>
                touches.using(digest, arrivals.receive(digest, length, bytes, began))
            },
            repair,
            replication,
            upstreams,
            members,
            self,
            metrics
          })

    const address: PeerAddress = { peerId, address: engine.address, kind: engine.kind }
    const answers = originAnswers({
      ...{ blobs, receive, touches, repair, replication, mirror },
      peer: address,
      limits: yield* OciLimits
    })
    const routes = yield* apiRoutes(OriginApi, answers, {
      role: "the origin",
      counter,
      routeName: (group) => group
    })
    const collecting =
      config.buildIndexes === undefined
        ? []
        : yield* makeOriginCollect({
            ...{ blobs, touches, engine, replication, counter, metrics },
            config: config.collect,
            buildIndex: yield* makeBuildIndexClient(config.buildIndexes)
          })
    const notReady = blobs.stat(nobodysDigest).pipe(
      Effect.timeout(toDuration(healthTimeout)),
      Effect.match({
        onSuccess: (): ReadonlyArray<string> => [],
        onFailure: (error) => [`the blob store in ${config.data} does not answer: ${error.message}`]
      })
    )
    const app = yield* makeHttpApp([...routes, ...collecting], { metrics, notReady })
    return { listeners: [{ name: "origin", listen: config.http, app }], engine, uploads: received }
  })
