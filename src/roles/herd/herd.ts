// A herd: proxy, origin, tracker and build-index in one process and one scope, each with its own folder and port.
// They find each other by those ports like roles on separate hosts, so a test of a herd also holds for a cluster. Only
// what clients push is different: it is written once, into the origin's store.

import { Duration, Effect } from "effect"
import { buildIndex } from "../build-index/build-index.ts"
import type { CollectConfig } from "../build-index/config.ts"
import { type HostProgram, RoleMisconfigured } from "../host-program.ts"
import { localUrl } from "../http/host-and-port.ts"
import type { OriginCollect } from "../origin/config.ts"
import { OriginLimits } from "../origin/limits.ts"
import { type Origin, origin } from "../origin/origin.ts"
import { proxy } from "../proxy/proxy.ts"
import { toDuration } from "../services/clock.ts"
import { tracker } from "../tracker/tracker.ts"
import type { HerdConfig } from "./config.ts"

/**
 * Both collect at the same interval. An origin's grace follows that of the links, but never falls below its own
 * minimum.
 */
const originCollect = ({ every, grace }: CollectConfig, { minBlobGrace }: OriginLimits): OriginCollect => ({
  ...(every === undefined ? {} : { every }),
  grace: Duration.max(grace, toDuration(minBlobGrace))
})

export const herd = (config: HerdConfig): HostProgram<Origin> =>
  Effect.gen(function* () {
    const { data, log, peer, rates, upstreams } = config
    for (const part of ["proxy", "origin", "tracker", "buildIndex"] as const) {
      if (config[part].port === 0) {
        return yield* new RoleMisconfigured({
          message: `herd: ${part}.port is 0, but the parts find each other by port: give it one`
        })
      }
    }
    const originUrl = localUrl(config.origin)
    const buildIndexUrl = localUrl(config.buildIndex)
    const seeding = yield* origin({
      data: `${data}/origin`,
      log,
      peer,
      rates,
      http: config.origin,
      origins: [originUrl],
      self: originUrl,
      buildIndexes: [buildIndexUrl],
      collect: originCollect(config.collect, yield* OriginLimits),
      upstreams
    })
    const trackerUrl = localUrl(config.tracker)
    const tracking = yield* tracker({ log, http: config.tracker, origins: [originUrl] })
    const indexing = yield* buildIndex({
      data: `${data}/build-index`,
      log,
      http: config.buildIndex,
      origins: [originUrl],
      immutableTags: config.immutableTags,
      collect: config.collect,
      upstreams
    })
    const pushing = yield* proxy(
      {
        data: `${data}/proxy`,
        log,
        registry: config.proxy,
        limits: config.limits,
        origins: [originUrl],
        buildIndexes: [buildIndexUrl],
        trackers: [trackerUrl],
        preheat: config.preheat,
        mirrors: upstreams,
        ownNames: config.ownNames
      },
      seeding.uploads
    )
    const named = (name: string, listeners: Origin["listeners"]) =>
      listeners.map((listener) => ({ ...listener, name }))
    return {
      ...seeding,
      listeners: [
        ...named("proxy", pushing.listeners),
        ...named("origin", seeding.listeners),
        ...named("tracker", tracking.listeners),
        ...named("build-index", indexing.listeners)
      ]
    }
  })
