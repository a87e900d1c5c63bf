// Decides how a host's peer machine (protocol/peer/peer-host.ts) is driven: facts from the transport, the store and the
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
import { PeerLimits } from "./limits.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import type { PeerHostRules } from "../../protocol/swarm/host-context.ts"
import { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostInput, SeedArc, SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { PeerAddress, PeerId, PeerKind } from "../../protocol/wire/peer-id.ts"
import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { PeerListen } from "../config/addresses.ts"
import type { RateLimits } from "../config/process-keys.ts"
import { type DriverDuties, PeerHostDriver } from "./peer-host-driver.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import { type OpenSwarm, SwarmBroken, SwarmEntry, type SwarmFace } from "./open-swarm.ts"
import { readPeerMetrics } from "./peer-metrics.ts"
import { randomSource } from "../services/random-source.ts"
import { type Fork, held, makeFork } from "../scoped.ts"
import type { BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { type PeerEndpoint, type PeerListenError, PeerTransport } from "../services/peer-transport.ts"
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
  readonly rates: RateLimits
  readonly metrics: RoleMetrics
  /** Of a blob that several seeders share, what this host suggests first as one. */
  readonly seedArc?: (metainfo: Metainfo) => SeedArc
}

/** Opens the peer listener and runs the machine for as long as the scope lives. */
export const makePeerEngine = (
  options: PeerEngineOptions
): Effect.Effect<PeerEngine, PeerListenError, PeerTransport | Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* PeerTransport
    const timers = yield* Timers
    const random = randomSource(yield* Random.Random)
    const limits = yield* PeerLimits
    const engine = new Engine(options, timers, limits, yield* makeFork)
    const { peer, rates } = options
    const endpoint = yield* transport.listen({ listen: peer, rates }, engine.driver)
    engine.begin(endpoint, random, yield* SwarmRules)
    yield* Effect.addFinalizer(() => engine.stop())
    engine.closeIdleAfter(limits.idleSwarmTimeout / 4)
    return engine
  })

/** Methods and not closures: a simulation has thousands of engines. */
class Engine implements PeerEngine, DriverDuties, SwarmFace {
  readonly driver: PeerHostDriver
  machine!: PeerHost
  address = ""
  readonly #options: PeerEngineOptions
  readonly #timers: Timers["Service"]
  readonly #limits: PeerLimits
  readonly #fork: Fork
  #invalidHandshakes = 0
  #opening: Map<SwarmId, Deferred.Deferred<SwarmEntry, BlobStoreError>> | undefined
  /** Swarms that peers asked for, while the store is asked, and swarms whose blobs are being removed. */
  #asked: Set<SwarmId> | undefined
  #retiring: Set<SwarmId> | undefined
  #cancelClosing: (() => void) | undefined

  constructor(options: PeerEngineOptions, timers: Timers["Service"], limits: PeerLimits, fork: Fork) {
    this.#options = options
    this.#timers = timers
    this.#limits = limits
    this.#fork = fork

    this.driver = new PeerHostDriver(timers, this)
  }

  get peerId(): PeerId {
    return this.#options.peerId
  }

  get kind(): PeerKind {
    return this.#options.kind
  }

  offerPeers(swarm: SwarmId, peers: readonly PeerAddress[]): void {
    this.feed({ tag: "PeersOffered", swarm, peers })
  }

  open(
    metainfo: Metainfo,
    { onDemand }: { readonly onDemand: boolean }
  ): Effect.Effect<OpenSwarm, BlobStoreError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const torrent = yield* this.#options.blobs.putMetainfo(metainfo)
      const entry = yield* this.#openEntry(torrent.metainfo, torrent.swarm, onDemand)
      return yield* held(
        () => {
          entry.owners++
          return entry
        },
        (owned) => this.#leave(owned)
      )
    })
  }

  retire<E>(swarm: SwarmId, removal: Effect.Effect<void, E>): Effect.Effect<boolean, E> {
    return Effect.suspend(() => {
      const entry = this.driver.entries.get(swarm)
      if (this.#opening?.has(swarm) || this.#asked?.has(swarm)) return Effect.succeed(false)
      if (entry !== undefined && this.#isWanted(swarm, entry)) return Effect.succeed(false)
      this.#retiring ??= new Set()
      const retiring = this.#retiring.add(swarm)
      if (entry !== undefined) this.#closeSwarm(swarm, entry)
      return Effect.ensuring(
        Effect.as(removal, true),
        Effect.sync(() => retiring.delete(swarm))
      )
    })
  }

  // -- what the machine asks for, and what swarms ask of it -----------------------------------------------------

  feed(input: PeerHostInput): void {
    this.driver.feed(input)
  }

  status(swarm: SwarmId): SwarmStatus | undefined {
    return this.machine.swarmStatus(swarm)
  }

  breakSwarm(swarm: SwarmId, why: SwarmBroken): void {
    const entry = this.driver.entries.get(swarm)
    if (entry === undefined || entry.broken !== undefined) return
    entry.markBroken(why)
    this.#closeSwarm(swarm, entry)
  }

  asked(swarm: SwarmId): void {
    this.#fork(this.#answerAsked(swarm))
  }

  completed(swarm: SwarmId): void {
    const entry = this.driver.entries.get(swarm)
    if (entry === undefined || entry.complete) return
    entry.complete = true
    this.#fork(
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
            this.breakSwarm(swarm, new SwarmBroken({ reason, message }))
          }
        })
      )
    )
  }

  failed(swarm: SwarmId, message: string): void {
    this.breakSwarm(swarm, new SwarmBroken({ reason: "storage", message }))
  }

  banned({ peerId, address, reason }: Parameters<DriverDuties["banned"]>[0]): void {
    this.#fork(Effect.logWarning(`banned peer ${peerId} at ${address}: ${reason}`))
  }

  invalidHandshake(): void {
    this.#invalidHandshakes++
  }

  // -- swarms: open, complete, break, close ---------------------------------------------------------------------

  #openEntry(
    metainfo: Metainfo,
    swarm: SwarmId,
    onDemand: boolean
  ): Effect.Effect<SwarmEntry, BlobStoreError> {
    return Effect.suspend(() => {
      const open = this.driver.entries.get(swarm)
      if (open !== undefined) return Effect.succeed(open)
      const underway = this.#opening?.get(swarm)
      if (underway !== undefined) return Deferred.await(underway)
      const result = Deferred.makeUnsafe<SwarmEntry, BlobStoreError>()
      this.#opening ??= new Map()
      const opening = this.#opening.set(swarm, result)
      // Not interrupted with its first asker: others may wait for the same.
      this.#fork(
        Effect.exit(this.#start(metainfo, swarm, onDemand)).pipe(
          Effect.flatMap((exit) => {
            opening.delete(swarm)
            return Deferred.done(result, exit)
          })
        )
      )
      return Deferred.await(result)
    })
  }

  #start(metainfo: Metainfo, swarm: SwarmId, onDemand: boolean): Effect.Effect<SwarmEntry, BlobStoreError> {
    return Effect.gen({ self: this }, function* () {
      const { blobs, seedArc } = this.#options
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(blobs.openPieces(metainfo), scope).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      const entry = new SwarmEntry(file, scope, this.#timers, this, onDemand)
      const { have } = entry
      const whole = have.isFull
      this.driver.entries.set(swarm, entry)
      this.feed({ tag: "SwarmOpened", swarm, metainfo, have, seedArc: seedArc?.(metainfo), onDemand })
      if (whole && !entry.complete) this.completed(swarm)
      return entry
    })
  }

  #closeSwarm(swarm: SwarmId, entry: SwarmEntry): void {
    this.driver.entries.delete(swarm)
    this.feed({ tag: "SwarmClosed", swarm })
    this.#fork(Scope.close(entry.scope, Exit.void))
  }

  #answerAsked(swarm: SwarmId): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (this.#retiring?.has(swarm)) {
        this.feed({ tag: "SwarmUnknown", swarm })
        return
      }
      this.#asked ??= new Set()
      this.#asked.add(swarm)
      const { blobs } = this.#options
      const torrent = yield* blobs.findSwarm(swarm)
      // A download that nobody here wants any more is not taken up because a peer asked.
      const whole = Option.isSome(torrent) && Option.isSome(yield* blobs.stat(torrent.value.metainfo.digest))
      if (whole) yield* this.#openEntry(torrent.value.metainfo, swarm, false)
      else this.feed({ tag: "SwarmUnknown", swarm })
    }).pipe(
      Effect.catch((error) => {
        this.feed({ tag: "SwarmUnknown", swarm })
        return Effect.logWarning(`cannot open a swarm that a peer asked for: ${error.message}`)
      }),
      Effect.ensuring(Effect.sync(() => this.#asked?.delete(swarm)))
    )
  }

  #isWanted(swarm: SwarmId, entry: SwarmEntry): boolean {
    return entry.owners > 0 || !Deferred.isDoneUnsafe(entry.done) || this.#isServing(swarm, entry)
  }

  /** A piece is on its way to a neighbour, or the last one went out a moment ago and more will be asked for. */
  #isServing(swarm: SwarmId, entry: SwarmEntry): boolean {
    return (
      this.machine.isServing(swarm) ||
      ((this.status(swarm)?.neighbours ?? 0) > 0 &&
        this.#timers.now() - entry.lastUse < this.#limits.servedLately)
    )
  }

  #leave(entry: SwarmEntry): void {
    const { swarm } = entry
    entry.owners--
    entry.lastUse = this.#timers.now()
    if (entry.owners > 0 || entry.complete || this.driver.entries.get(swarm) !== entry) return
    this.breakSwarm(swarm, new SwarmBroken({ reason: "closed", message: "nobody waits for it any more" }))
  }

  /** Seeds that nobody uses give their file handle and memory back; a peer that asks opens them again. */
  #closeIdle(): void {
    const now = this.#timers.now()
    for (const [swarm, entry] of [...this.driver.entries]) {
      if (entry.owners > 0) continue
      const status = this.status(swarm)
      const used = status !== undefined && status.neighbours + status.dialling > 0
      if (!used && now - entry.lastUse >= this.#limits.idleSwarmTimeout) this.#closeSwarm(swarm, entry)
    }
  }

  // -- start and stop -------------------------------------------------------------------------------------------

  begin(endpoint: PeerEndpoint, random: RandomSource, rules: Partial<PeerHostRules>): void {
    const { peerId, kind, metrics } = this.#options
    this.address = endpoint.address
    this.machine = new PeerHost({ peerId, kind, address: this.address, random, limits: rules })
    this.driver.begin(this.machine, endpoint)
    readPeerMetrics(metrics, this.machine, () => this.#invalidHandshakes)
  }

  closeIdleAfter(pause: Micros): void {
    this.#cancelClosing = this.#timers.wakeAt(this.#timers.now() + pause, () => {
      this.#closeIdle()
      this.closeIdleAfter(pause)
    })
  }

  stop(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.feed({ tag: "Stopping" })
      this.driver.stop()
      this.#cancelClosing?.()
      for (const entry of this.driver.entries.values()) {
        Deferred.doneUnsafe(
          entry.done,
          Effect.fail(new SwarmBroken({ reason: "closed", message: "this host is stopping" }))
        )
        yield* Scope.close(entry.scope, Exit.void)
      }
    })
  }
}
