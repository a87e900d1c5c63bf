// Decides what an agent is: on every host, a registry that only reads for the local container runtime, and a peer for
// all other hosts. It puts the parts together; each part says what it decides in its own file.

import { Effect } from "effect"
import type { Digest } from "../protocol/digest.ts"
import { makeAgentImages } from "./agent-images.ts"
import { makeAnnouncer } from "./announcer.ts"
import { makeBuildIndexClient } from "./build-index-client.ts"
import type { AgentConfig } from "./config.ts"
import { makeDownloads, type PullError } from "./downloads.ts"
import type { HostProgram, StartedRole } from "./host-program.ts"
import { makeHttpApp } from "./http-app.ts"
import { makeRequestCounter } from "./http-requests.ts"
import { makeRoleMetrics } from "./metrics.ts"
import { makePeerEngine, type PeerEngine } from "./peer-engine.ts"
import { peerIdOf } from "./peer-identity.ts"
import { readOnlyRegistryRoutes } from "./registry/registry-routes.ts"
import { HostStorage } from "./services/host-storage.ts"
import { makeTrackerClient } from "./tracker-client.ts"

export interface Agent extends StartedRole {
  readonly engine: PeerEngine
  /** Fetches a blob whole into the agent's store: what preheating and experiments ask for. */
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, PullError>
}

export const agent = (config: AgentConfig): HostProgram<Agent> =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const metrics = makeRoleMetrics("agent")
    const blobs = yield* storage.blobs(config.data)
    const peerId = yield* peerIdOf(config.data)
    const engine = yield* makePeerEngine({
      blobs,
      kind: "agent",
      peerId,
      peer: config.peer,
      rates: config.rates,
      metrics
    })
    const tracker = yield* makeTrackerClient(config.trackers)
    const buildIndex = yield* makeBuildIndexClient(config.buildIndexes)
    const announcer = yield* makeAnnouncer({ engine, tracker, metrics })
    const downloads = yield* makeDownloads({ blobs, engine, tracker, announcer, metrics })
    yield* announcer.seedAll(blobs)
    const app = yield* makeHttpApp(
      readOnlyRegistryRoutes({
        source: makeAgentImages(downloads, buildIndex),
        pushTo: config.proxy ?? "the cluster's proxy",
        counter: makeRequestCounter(metrics)
      }),
      {
        role: "agent",
        metrics,
        notReady: Effect.map(
          Effect.all([buildIndex.notReady, tracker.notReady], { concurrency: "unbounded" }),
          (reasons) => reasons.flat()
        )
      }
    )
    return {
      listeners: [{ name: "registry", listen: config.registry, app }],
      engine,
      pull: downloads.pull
    }
  })
