// Announcer of a host: tells the trackers which swarms the host is in. Each swarm has its own schedule, and all
// swarms that are due go in one batch, so the layers of an image find peers in one round trip. Whole blobs are
// announced too, at a long interval, so that a restarted tracker learns of them.
//
// Invariant: a swarm is announced as stopped at most once, and only if it was announced before. The peers in the
// trackers' answers go to the peer engine; this file does not dial.

import { Effect, Option, Random, type Scope } from "effect"
import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import { AnnounceSchedule } from "../../protocol/tracking/announce-schedule.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { choosePieceLength, pieceCount, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import { AskLimits } from "../client/limits.ts"
import type { TrackerClient } from "../client/tracker-client.ts"
import type { SwarmAnnounce } from "../client/tracker-wire.ts"
import { atEnd, type Fork, held, makeFork } from "../scoped.ts"
import type { BlobMissing, BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { counterMetric, gaugeMetric, type MetricLabels, type RoleMetrics } from "../services/metrics.ts"
import { randomSource } from "../services/random-source.ts"
import { SwarmRules } from "../services/swarm-rules.ts"
import { Timers } from "../services/timers.ts"
import { PeerLimits } from "./limits.ts"
import type { OpenSwarm } from "./open-swarm.ts"
import type { PeerEngine } from "./peer-engine.ts"

export interface Announcer {
  /** Announces a download until the scope ends, then announces "stopped" unless it completed. */
  readonly join: (
    torrent: Torrent<SwarmInfo>,
    namespace: string,
    swarm: OpenSwarm
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Announces at once that the download is complete, and from then on at a long interval. */
  readonly completed: (swarm: SwarmId) => Effect.Effect<void>
  /** Announces a whole blob from now on. */
  readonly seed: (torrent: Torrent, namespace: string) => Effect.Effect<void>
  /** The blob was removed: announces "stopped", so that the trackers no longer hand this host out. */
  readonly gone: (swarm: SwarmId) => Effect.Effect<void>
  /** Announces every whole blob of the store, after a restart. One without metainfo waits until it is used. */
  readonly seedAll: (blobs: BlobStore) => Effect.Effect<void, BlobStoreError>
  /** A client read a whole blob. If it has no metainfo, it gets some in the background and is announced. */
  readonly used: (digest: Digest) => Effect.Effect<void>
}

const failures = counterMetric("shoal_tracker_failures_total", {
  of: "agents",
  description: "Requests that no tracker answered, by what was asked",
  labels: { what: "`announce` or `metainfo`" }
})
const swarmsAnnounced = gaugeMetric("shoal_swarms_announced", {
  of: "agents",
  description: "Swarms that this host announces"
})

/** Counts requests that no tracker answered, by kind. */
export const trackerFailures = (metrics: RoleMetrics) => (what: "announce" | "metainfo") => {
  const labels: MetricLabels = { what }
  return metrics.counter(failures, labels)
}

interface Member {
  readonly torrent: Torrent<SwarmInfo>
  readonly namespace: string
  readonly schedule: AnnounceSchedule
  /** When to check whether the peers of the last hand-out became neighbours. */
  lookAt: Micros | undefined
}

/** Runs the announces of a host until the scope ends. The end is not announced; the trackers' records expire. */
export const makeAnnouncer = (
  options: AnnouncerOptions
): Effect.Effect<Announcer, never, Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const timers = yield* Timers
    const { secondAnnounceDelay } = yield* SwarmRules
    const random = randomSource(yield* Random.Random)
    const { maxSwarmsPerAnnounce } = yield* AskLimits
    const means = { timers, secondAnnounceDelay, maxSwarmsPerAnnounce, limits: yield* PeerLimits, random }
    const announcer = new Announces(options, { ...means, fork: yield* makeFork })
    yield* atEnd(() => announcer.stop())
    return announcer
  })

interface AnnouncerOptions {
  readonly engine: PeerEngine
  readonly tracker: TrackerClient
  readonly metrics: RoleMetrics
}

/** The services of the host that the announcer uses. */
interface AnnouncerMeans {
  readonly timers: Timers["Service"]
  readonly limits: PeerLimits
  readonly secondAnnounceDelay: Micros | undefined
  /** Swarms of one announce. */
  readonly maxSwarmsPerAnnounce: number
  readonly random: RandomSource
  readonly fork: Fork
}

/** Has methods instead of closures, because a simulation has thousands of announcers. */
class Announces implements Announcer {
  readonly #engine: PeerEngine
  readonly #tracker: TrackerClient
  readonly #means: AnnouncerMeans
  readonly #failed: (increment: number) => void
  readonly #members = new Map<SwarmId, Member>()
  /** Whole blobs without metainfo, of a store of version 1, with what makes it. */
  #unhashed: Map<Digest, Effect.Effect<Torrent, BlobMissing | BlobStoreError>> | undefined
  #wakeAt = Number.POSITIVE_INFINITY
  #cancelWake: (() => void) | undefined
  #stopped = false

  constructor({ engine, tracker, metrics }: AnnouncerOptions, means: AnnouncerMeans) {
    this.#engine = engine
    this.#tracker = tracker
    this.#means = means
    this.#failed = trackerFailures(metrics)("announce")
    metrics.readGauge(swarmsAnnounced, () => this.#members.size)
  }

  join(
    torrent: Torrent<SwarmInfo>,
    namespace: string,
    swarm: OpenSwarm
  ): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      held(
        () => this.#enter(torrent, namespace, swarm.have.isFull),
        (member) => this.#leave(member)
      )
    )
  }

  completed(swarm: SwarmId): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#members.get(swarm)?.schedule.completed(this.#means.timers.now())
      this.#wake()
    })
  }

  seed(torrent: Torrent, namespace: string): Effect.Effect<void> {
    return Effect.sync(() => void this.#enter(torrent, namespace, true))
  }

  gone(swarm: SwarmId): Effect.Effect<void> {
    return Effect.sync(() => {
      const member = this.#members.get(swarm)
      if (member !== undefined) this.#stopMember(member)
    })
  }

  seedAll(blobs: BlobStore): Effect.Effect<void, BlobStoreError> {
    return Effect.gen({ self: this }, function* () {
      for (const { digest, length } of yield* blobs.list) {
        const torrent = yield* blobs.metainfo(digest)
        if (Option.isSome(torrent)) this.#enter(torrent.value, seededNamespace, true)
        else {
          this.#unhashed ??= new Map()
          const make = Effect.suspend(() => blobs.makeMetainfo(digest, choosePieceLength(length)))
          this.#unhashed.set(digest, make)
        }
      }
    })
  }

  used(digest: Digest): Effect.Effect<void> {
    return Effect.sync(() => {
      const make = this.#unhashed?.get(digest)
      if (make === undefined) return
      this.#unhashed?.delete(digest)
      this.#means.fork(
        Effect.match(make, {
          onSuccess: (torrent) => void this.#enter(torrent, seededNamespace, true),
          onFailure: () => undefined
        }).pipe(Effect.withSpan("seed.hash", { attributes: { digest } }))
      )
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelWake?.()
  }

  #wakeBy(at: Micros): void {
    if (this.#stopped || at >= this.#wakeAt) return
    this.#cancelWake?.()
    this.#wakeAt = at
    this.#cancelWake = this.#means.timers.wakeAt(at, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY
      this.#lookAround()
      this.#announceDue()
      this.#wakeWhenDue()
    })
  }

  /** Wakes in this instant, but in a call of its own: everything else of this instant joins the same batch. */
  #wake(): void {
    this.#wakeBy(this.#means.timers.now())
  }

  /** Announces every member that is due, in batches. */
  #announceDue(): void {
    const { timers, maxSwarmsPerAnnounce, fork } = this.#means
    const now = timers.now()
    let batch: Array<readonly [Member, SwarmAnnounce]> = []
    for (const member of this.#members.values()) {
      const due = member.schedule.nextAnnounceAt
      if (due === undefined || due > now) continue
      batch.push([member, this.#describe(member, member.schedule.begun(now))])
      if (batch.length < maxSwarmsPerAnnounce) continue
      fork(this.#announce(batch))
      batch = []
    }
    if (batch.length > 0) fork(this.#announce(batch))
  }

  #describe(member: Member, event: SwarmAnnounce["event"]): SwarmAnnounce {
    const { swarm, metainfo } = member.torrent
    const status = this.#engine.machine.swarmStatus(swarm)
    return {
      swarm,
      digest: metainfo.digest,
      namespace: member.namespace,
      event,
      neighbours: status?.neighbours ?? 0,
      have: status?.have ?? (event === "complete" ? pieceCount(metainfo) : 0)
    }
  }

  #announce(batch: ReadonlyArray<readonly [Member, SwarmAnnounce]>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { timers, random } = this.#means
      const engine = this.#engine
      const answer = yield* Effect.result(
        this.#tracker.announce({
          peer: { peerId: engine.peerId, address: engine.address },
          swarms: batch.map(([, said]) => said)
        })
      )
      const now = timers.now()
      if (answer._tag === "Failure") {
        this.#failed(1)
        yield* Effect.logDebug("no tracker took the announce:", answer.failure)
      }
      const handOuts = new Map(
        answer._tag === "Success" ? answer.success.map((handOut) => [handOut.swarm, handOut] as const) : []
      )
      for (const [member, said] of batch) {
        const handOut = handOuts.get(said.swarm)
        member.lookAt = now + limits.minAnnounceInterval
        if (handOut === undefined) member.schedule.failed(now, random)
        else {
          member.schedule.succeeded(handOut.intervalMs, now, random)
          if (handOut.peers.length > 0) engine.offerPeers(said.swarm, handOut.peers)
        }
        if (said.event === "stopped" && this.#members.get(said.swarm) === member) {
          this.#members.delete(said.swarm)
        }
      }
      this.#wakeWhenDue()
    })
  }

  /** Peers of a hand-out may be gone or full, so a host with few neighbours announces before its interval ends. */
  #lookAround(): void {
    const {
      timers,
      limits: { fewNeighbours }
    } = this.#means
    const now = timers.now()
    for (const member of this.#members.values()) {
      if (member.lookAt === undefined || member.lookAt > now) continue
      member.lookAt = undefined
      const neighbours = this.#engine.machine.swarmStatus(member.torrent.swarm)?.neighbours
      if (neighbours !== undefined && neighbours < fewNeighbours) member.schedule.fewNeighbours(now)
    }
  }

  #wakeWhenDue(): void {
    let next = Number.POSITIVE_INFINITY
    for (const { schedule, lookAt } of this.#members.values()) {
      next = Math.min(next, schedule.nextAnnounceAt ?? next, lookAt ?? next)
    }
    if (next === Number.POSITIVE_INFINITY) return
    // Seeds become due one at a time; a short wait puts several into one batch.
    const {
      timers,
      limits: { announceCoalescing }
    } = this.#means
    this.#wakeBy(Math.max(next, timers.now() + announceCoalescing))
  }

  #enter(torrent: Torrent<SwarmInfo>, namespace: string, whole: boolean): Member {
    const present = this.#members.get(torrent.swarm)
    if (present !== undefined && present.schedule.phase !== "left") return present
    const { timers, secondAnnounceDelay } = this.#means
    const member: Member = {
      torrent,
      namespace,
      schedule: new AnnounceSchedule(whole, timers.now(), secondAnnounceDelay),
      lookAt: undefined
    }
    this.#members.set(torrent.swarm, member)
    this.#wake()
    return member
  }

  #leave(member: Member): void {
    if (member.schedule.phase !== "complete") this.#stopMember(member)
  }

  #stopMember(member: Member): void {
    member.schedule.left(this.#means.timers.now())
    if (member.schedule.nextAnnounceAt === undefined) this.#members.delete(member.torrent.swarm)
    this.#wake()
  }
}

/** Namespace of the blobs of a restarted host, which no longer knows their namespaces; only downloads need one. */
const seededNamespace = "-"
