// Decides how a host's peer machine (protocol/peer-host.ts) is driven: facts from the transport, the store and the
// timers go in one at a time, its orders are carried out, and the control plane is told of progress by plain calls.
// Agents and origins share it. It knows no tracker and no client: who to dial and what to read first come from outside.
//
//   absent --open/asked--> open (downloading) --last piece, whole digest good--> open (seeding) --idle--> absent
//                              |  no owner left, failed, or whole digest bad
//                              +------------------------------------------------------------------------> absent
//
// Invariants: one input at a time, outputs before the next input; a swarm is open in the machine exactly while its
// PieceFile is open; a piece is announced to waiters only after the store has it.

import { Deferred, Effect, Exit, Option, Random, Scope } from "effect"
import { limits } from "../../protocol/limits.ts"
import type { SwarmId } from "../../protocol/message.ts"
import type { Metainfo } from "../../protocol/metainfo.ts"
import { PeerHost } from "../../protocol/peer-host.ts"
import type { PeerHostInput, SeedArc } from "../../protocol/peer-host-io.ts"
import type { PeerAddress, PeerId, PeerKind } from "../../protocol/peer-id.ts"
import type { Micros } from "../../protocol/time.ts"
import type { PeerListen, RateLimits } from "../config.ts"
import { MachineDriver } from "./machine-driver.ts"
import type { RoleMetrics } from "../metrics.ts"
import { type OpenSwarm, SwarmBroken, SwarmEntry, type SwarmFace } from "./open-swarm.ts"
import { readPeerMetrics } from "./peer-metrics.ts"
import { randomSource } from "./random-source.ts"
import { held, makeFork } from "../scoped.ts"
import type { BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { type PeerListenError, PeerTransport } from "../services/peer-transport.ts"
import { SwarmRules } from "../services/swarm-rules.ts"
import { Timers } from "../services/timers.ts"

export interface PeerEngine {
  readonly peerId: PeerId
  /** "host:port" under which other peers reach this host. */
  readonly address: string
  readonly kind: PeerKind
  /**
   * Takes part in a blob's swarm, to have all of it, or on demand what is read of it. Complete swarms go on seeding after
   * the scope ends, until they are idle.
   */
  readonly open: (
    metainfo: Metainfo,
    how: { readonly onDemand: boolean }
  ) => Effect.Effect<OpenSwarm, BlobStoreError, Scope.Scope>
  readonly offerPeers: (swarm: SwarmId, peers: readonly PeerAddress[]) => void
  /**
   * Leaves a swarm and runs `removal`, which takes its blob away: neighbours are told, peers that ask meanwhile are
   * refused. False, and nothing is done, while the swarm is wanted here or a neighbour is being served.
   */
  readonly retire: <E>(swarm: SwarmId, removal: Effect.Effect<void, E>) => Effect.Effect<boolean, E>
  readonly machine: PeerHost
}

export interface PeerEngineOptions {
  readonly blobs: BlobStore
  readonly kind: PeerKind
  readonly peerId: PeerId
  readonly peer: typeof PeerListen.Type
  readonly rates: typeof RateLimits.Type
  readonly metrics: RoleMetrics
  /** Of a blob that several seeders share, what this host suggests first as one. */
  readonly seedArc?: (metainfo: Metainfo) => SeedArc
}

/** Opens the peer listener and runs the machine for as long as the scope lives. */
export const makePeerEngine = (
  options: PeerEngineOptions
): Effect.Effect<PeerEngine, PeerListenError, PeerTransport | Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const { blobs, kind, peerId } = options
    const transport = yield* PeerTransport
    const timers = yield* Timers
    const random = randomSource(yield* Random.Random)
    const fork = yield* makeFork
    const opening = new Map<SwarmId, Deferred.Deferred<SwarmEntry, BlobStoreError>>()
    /** Swarms that peers asked for, while the store is asked, and swarms whose blobs are being removed. */
    const asked = new Set<SwarmId>()
    const retiring = new Set<SwarmId>()
    const strangers = options.metrics.counter(
      "shoal_peer_strangers_total",
      "Callers at the peer port that did not speak as peers do"
    )
    const driver = new MachineDriver(timers, {
      asked: (swarm) => fork(answerAsked(swarm)),
      completed: (swarm) => finish(swarm),
      failed: (swarm, message) => breakSwarm(swarm, new SwarmBroken({ reason: "storage", message })),
      banned: ({ peerId, address, reason }) =>
        fork(Effect.logWarning(`banned peer ${peerId} at ${address}: ${reason}`)),
      stranger: () => strangers(1)
    })
    const { entries } = driver
    const feed = (input: PeerHostInput): void => driver.feed(input)

    const machineFace: SwarmFace = {
      feed,
      status: (swarm) => machine.swarmStatus(swarm),
      breakSwarm: (swarm, why) => breakSwarm(swarm, why)
    }

    // -- swarms: open, complete, break, close ---------------------------------------------------------------------

    const openEntry = (
      metainfo: Metainfo,
      swarm: SwarmId,
      onDemand: boolean
    ): Effect.Effect<SwarmEntry, BlobStoreError> =>
      Effect.suspend(() => {
        const open = entries.get(swarm)
        if (open !== undefined) return Effect.succeed(open)
        const underway = opening.get(swarm)
        if (underway !== undefined) return Deferred.await(underway)
        const result = Deferred.makeUnsafe<SwarmEntry, BlobStoreError>()
        opening.set(swarm, result)
        const start = Effect.gen(function* () {
          const scope = yield* Scope.make()
          const file = yield* Scope.provide(blobs.openPieces(metainfo), scope).pipe(
            Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
          )
          const entry = new SwarmEntry(file, scope, timers, machineFace, onDemand)
          const whole = entry.have.isFull
          entries.set(swarm, entry)
          feed({
            tag: "SwarmOpened",
            swarm,
            metainfo,
            have: entry.have,
            seedArc: options.seedArc?.(metainfo),
            onDemand
          })
          if (whole && !entry.complete) finish(swarm)
          return entry
        })
        // Not interrupted with its first asker: others may wait for the same.
        fork(
          Effect.exit(start).pipe(
            Effect.flatMap((exit) => {
              opening.delete(swarm)
              return Deferred.done(result, exit)
            })
          )
        )
        return Deferred.await(result)
      })

    const closeSwarm = (swarm: SwarmId, entry: SwarmEntry): void => {
      entries.delete(swarm)
      feed({ tag: "SwarmClosed", swarm })
      fork(Scope.close(entry.scope, Exit.void))
    }

    const breakSwarm = (swarm: SwarmId, why: SwarmBroken): void => {
      const entry = entries.get(swarm)
      if (entry === undefined || entry.broken !== undefined) return
      entry.markBroken(why)
      closeSwarm(swarm, entry)
    }

    const finish = (swarm: SwarmId): void => {
      const entry = entries.get(swarm)
      if (entry === undefined || entry.complete) return
      entry.complete = true
      fork(
        entry.file.complete.pipe(
          Effect.match({
            onSuccess: () => Deferred.doneUnsafe(entry.done, Effect.void),
            onFailure: (error) => {
              const reason = error._tag === "DigestMismatch" ? "content" : "storage"
              const message =
                error._tag === "DigestMismatch"
                  ? `every piece matched the metainfo but the whole is ${error.actual}, not ${error.expected}: ` +
                    "the origin that made the metainfo is wrong; the pieces were dropped"
                  : error.message
              breakSwarm(swarm, new SwarmBroken({ reason, message }))
            }
          })
        )
      )
    }

    const answerAsked = (swarm: SwarmId): Effect.Effect<void> =>
      Effect.gen(function* () {
        if (retiring.has(swarm)) {
          feed({ tag: "SwarmUnknown", swarm })
          return
        }
        asked.add(swarm)
        const torrent = yield* blobs.findSwarm(swarm)
        // A download that nobody here wants any more is not taken up because a stranger asked.
        const whole =
          Option.isSome(torrent) && Option.isSome(yield* blobs.stat(torrent.value.metainfo.digest))
        if (whole) yield* openEntry(torrent.value.metainfo, swarm, false)
        else feed({ tag: "SwarmUnknown", swarm })
      }).pipe(
        Effect.catch((error) => {
          feed({ tag: "SwarmUnknown", swarm })
          return Effect.logWarning(`cannot open a swarm that a peer asked for: ${error.message}`)
        }),
        Effect.ensuring(Effect.sync(() => asked.delete(swarm)))
      )

    const isWanted = (swarm: SwarmId, entry: SwarmEntry): boolean =>
      entry.owners > 0 || !Deferred.isDoneUnsafe(entry.done) || isServing(swarm, entry)

    /** A piece is on its way to a neighbour, or the last one went out a moment ago and more will be asked for. */
    const isServing = (swarm: SwarmId, entry: SwarmEntry): boolean =>
      machine.isServing(swarm) ||
      ((machine.swarmStatus(swarm)?.neighbours ?? 0) > 0 &&
        timers.now() - entry.lastUse < limits.servedLately)

    const retire: PeerEngine["retire"] = (swarm, removal) =>
      Effect.suspend(() => {
        const entry = entries.get(swarm)
        if (opening.has(swarm) || asked.has(swarm)) return Effect.succeed(false)
        if (entry !== undefined && isWanted(swarm, entry)) return Effect.succeed(false)
        retiring.add(swarm)
        if (entry !== undefined) closeSwarm(swarm, entry)
        return Effect.ensuring(
          Effect.as(removal, true),
          Effect.sync(() => retiring.delete(swarm))
        )
      })

    const leave = (entry: SwarmEntry): void => {
      const { swarm } = entry
      entry.owners--
      entry.lastUse = timers.now()
      if (entry.owners > 0 || entry.complete || entries.get(swarm) !== entry) return
      breakSwarm(swarm, new SwarmBroken({ reason: "closed", message: "nobody waits for it any more" }))
    }

    /** Seeds that nobody uses give their file handle and memory back; a peer that asks opens them again. */
    const closeIdle = (): void => {
      const now = timers.now()
      for (const [swarm, entry] of [...entries]) {
        if (entry.owners > 0) continue
        const status = machine.swarmStatus(swarm)
        const used = status !== undefined && status.neighbours + status.dialling > 0
        if (!used && now - entry.lastUse >= limits.idleSwarmTimeout) closeSwarm(swarm, entry)
      }
    }
    let cancelClosing: (() => void) | undefined
    const closeIdleAfter = (pause: Micros): void => {
      cancelClosing = timers.wakeAt(timers.now() + pause, () => {
        closeIdle()
        closeIdleAfter(pause)
      })
    }

    // -- start and stop -------------------------------------------------------------------------------------------

    const endpoint = yield* transport.listen({ listen: options.peer, rates: options.rates }, driver)
    const machine = new PeerHost({
      peerId,
      kind,
      address: endpoint.address,
      random,
      limits: yield* SwarmRules
    })
    driver.begin(machine, endpoint)
    readPeerMetrics(options.metrics, machine)
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        feed({ tag: "Stopping" })
        driver.stop()
        cancelClosing?.()
        for (const entry of entries.values()) {
          Deferred.doneUnsafe(
            entry.done,
            Effect.fail(new SwarmBroken({ reason: "closed", message: "this host is stopping" }))
          )
          yield* Scope.close(entry.scope, Exit.void)
        }
      })
    )
    closeIdleAfter(limits.idleSwarmTimeout / 4)

    return {
      peerId,
      kind,
      address: endpoint.address,
      machine,
      retire,
      offerPeers: (swarm, peers) => feed({ tag: "PeersOffered", swarm, peers }),
      open: (metainfo, { onDemand }) =>
        Effect.gen(function* () {
          const torrent = yield* blobs.putMetainfo(metainfo)
          const entry = yield* openEntry(torrent.metainfo, torrent.swarm, onDemand)
          return yield* held(() => {
            entry.owners++
            return entry
          }, leave)
        })
    }
  })
