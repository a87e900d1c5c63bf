// Peer engine of a host: owns its peer machine (protocol/peer/peer-host.ts, driven by peer-host-driver.ts) and its open
// swarms, and opens, completes, breaks and closes them. Agents and origins share it. It knows no tracker and no client;
// the peers to dial and the pieces to read first come from outside.
//
//   absent --open/asked--> open (downloading) --last piece, whole digest good--> open (seeding) --idle--> absent
//                              |  no owner left, failed, or whole digest bad
//                              +------------------------------------------------------------------------> absent
//
// Invariant: a swarm is open in the machine exactly while its PieceFile is open.

import { Deferred, Effect, Exit, Option, Random, Scope } from "effect"
import type { RandomSource } from "../../protocol/kit/random-source.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostRules } from "../../protocol/swarm/host-context.ts"
import type { PeerHostInput, SeedArc, SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import {
  isArrival,
  type Metainfo,
  type PiecedBlob,
  pieceCount,
  type SwarmInfo
} from "../../protocol/wire/metainfo.ts"
import type { PeerAddress, PeerId, PeerKind } from "../../protocol/wire/peer-id.ts"
import type { PeerListen } from "../config/addresses.ts"
import type { RateLimits } from "../config/process-keys.ts"
import { type Fork, held, makeFork } from "../scoped.ts"
import type { BlobStore, BlobStoreError, PieceFile } from "../services/blob-store.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import { type PeerEndpoint, type PeerListenError, PeerTransport } from "../services/peer-transport.ts"
import { randomSource } from "../services/random-source.ts"
import { SwarmRules } from "../services/swarm-rules.ts"
import { Timers } from "../services/timers.ts"
import { type ArrivingSwarm, arriving } from "./arriving-swarm.ts"
import { PeerLimits } from "./limits.ts"
import { type OpenSwarm, SwarmBroken, SwarmEntry, type SwarmFace } from "./open-swarm.ts"
import { type DriverDuties, PeerHostDriver } from "./peer-host-driver.ts"
import { readPeerMetrics } from "./peer-metrics.ts"

export interface PeerEngine {
  readonly peerId: PeerId
  /** The "host:port" at which other peers reach this host. */
  readonly address: string
  readonly kind: PeerKind
  /**
   * Joins the swarm of a blob until the scope ends, for the whole blob, or on demand for the pieces of readers. A
   * complete swarm keeps seeding after the scope ends, until it is idle.
   */
  readonly open: (
    metainfo: SwarmInfo,
    how: { readonly onDemand: boolean }
  ) => Effect.Effect<OpenSwarm, BlobStoreError, Scope.Scope>
  /**
   * Opens the swarm of a blob that this host is about to receive, until the scope ends. Peers download what is there
   * meanwhile. Unless it is complete by then, it ends with the scope.
   */
  readonly openArrival: (blob: PiecedBlob) => Effect.Effect<ArrivingSwarm, BlobStoreError, Scope.Scope>
  readonly offerPeers: (swarm: SwarmId, peers: readonly PeerAddress[]) => void
  /**
   * Leaves a swarm and runs `removal`, which removes its blob. Neighbours are told, and peers that ask meanwhile are
   * refused. Returns false and does nothing while the swarm is wanted here or a neighbour is being served.
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
  /** The part of a blob that this host suggests first, if several seeders share the first round. */
  readonly seedArc?: (metainfo: Metainfo) => SeedArc
}

/** Opens the peer listener and runs the machine until the scope ends. */
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

/** Has methods instead of closures, because a simulation has thousands of engines. */
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
  /** Swarms that peers asked for while the store looks them up, and swarms whose blobs are being removed. */
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
    metainfo: SwarmInfo,
    { onDemand }: { readonly onDemand: boolean }
  ): Effect.Effect<OpenSwarm, BlobStoreError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const torrent = yield* this.#options.blobs.putMetainfo(metainfo)
      return yield* this.#owned(yield* this.#openEntry(torrent.metainfo, torrent.swarm, onDemand))
    })
  }

  openArrival(blob: PiecedBlob): Effect.Effect<ArrivingSwarm, BlobStoreError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { file, scope } = yield* this.#opened(this.#options.blobs.openArrival(blob))
      // The host wants nothing from its peers.
      const entry = new SwarmEntry(file, scope, this.#timers, this, true)
      this.#enter(entry, true)
      return arriving(yield* this.#owned(entry), file, (input) => this.feed(input))
    })
  }

  #owned(entry: SwarmEntry): Effect.Effect<SwarmEntry, never, Scope.Scope> {
    return held(
      () => {
        entry.owners++
        return entry
      },
      (owned) => this.#leave(owned)
    )
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

  // -- duties of the driver, and calls of open swarms -------------------------------------------------------------

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
                  "the metainfo that the origin made is wrong; the pieces were discarded"
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
    this.#fork(Effect.annotateLogs(Effect.logWarning("banned a peer"), { peerId, address, reason }))
  }

  invalidHandshake(): void {
    this.#invalidHandshakes++
  }

  // -- swarms: open, complete, break, close ---------------------------------------------------------------------

  #openEntry(
    metainfo: SwarmInfo,
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
      // Runs in a fiber of its own, because an interrupted first client must not end it for the others.
      this.#fork(
        Effect.exit(this.#start(metainfo, onDemand)).pipe(
          Effect.flatMap((exit) => {
            opening.delete(swarm)
            return Deferred.done(result, exit)
          })
        )
      )
      return Deferred.await(result)
    })
  }

  #start(metainfo: SwarmInfo, onDemand: boolean): Effect.Effect<SwarmEntry, BlobStoreError> {
    return Effect.gen({ self: this }, function* () {
      const { file, scope } = yield* this.#opened(this.#options.blobs.openPieces(metainfo))
      const entry = new SwarmEntry(file, scope, this.#timers, this, onDemand)
      this.#enter(entry, onDemand)
      return entry
    })
  }

  /** Opens a file in a scope of its own. */
  #opened<File extends PieceFile>(
    open: Effect.Effect<File, BlobStoreError, Scope.Scope>
  ): Effect.Effect<{ readonly file: File; readonly scope: Scope.Closeable }, BlobStoreError> {
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(open, scope).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      return { file, scope }
    })
  }

  #enter(entry: SwarmEntry, onDemand: boolean): void {
    const { swarm, metainfo, have, file } = entry
    const whole = have.isFull
    this.driver.entries.set(swarm, entry)
    this.feed({
      tag: "SwarmOpened",
      swarm,
      metainfo,
      have,
      recorded: file.recorded(),
      seedArc: isArrival(metainfo) ? inOrder(metainfo) : this.#options.seedArc?.(metainfo),
      onDemand
    })
    if (whole && !entry.complete) this.completed(swarm)
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
      // An unfinished download that no client wants is not resumed for a peer.
      const whole = Option.isSome(torrent) && Option.isSome(yield* blobs.stat(torrent.value.metainfo.digest))
      if (whole) yield* this.#openEntry(torrent.value.metainfo, swarm, false)
      else this.feed({ tag: "SwarmUnknown", swarm })
    }).pipe(
      Effect.catch((error) => {
        this.feed({ tag: "SwarmUnknown", swarm })
        return Effect.annotateLogs(Effect.logWarning("cannot open a swarm for a peer:", error), { swarm })
      }),
      Effect.ensuring(Effect.sync(() => this.#asked?.delete(swarm)))
    )
  }

  #isWanted(swarm: SwarmId, entry: SwarmEntry): boolean {
    return entry.owners > 0 || !Deferred.isDoneUnsafe(entry.done) || this.#isServing(swarm, entry)
  }

  /** A piece is being sent, or one was sent so recently that the neighbour will request more. */
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
    this.breakSwarm(swarm, new SwarmBroken({ reason: "closed", message: "no client waits for it" }))
  }

  /** Closes idle seeds to free file handles and memory; a peer that asks opens them again. */
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

/** A blob that comes in order is suggested in this order. */
const inOrder = (blob: PiecedBlob): SeedArc => ({ firstPiece: 0, endPiece: pieceCount(blob) })
