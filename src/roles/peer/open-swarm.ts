// Open swarm of a host, as the control plane sees it: its progress, the readers that wait for pieces, whether the
// whole blob is wanted, whether it is complete or broken, and how many owners keep it open. The peer engine opens and
// closes it.
//
// Invariant: a waiter is called exactly once, with the piece or with the reason why it will not arrive.

import { Data, Deferred, Effect, type Scope } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { PeerHostInput, SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { SwarmInfo } from "../../protocol/wire/metainfo.ts"
import type { LoadOutcome, PieceFile } from "../services/blob-store.ts"
import type { Timers } from "../services/timers.ts"

/** The swarm ended early: no room, wrong content or no progress. `message` says which. */
export class SwarmBroken extends Data.TaggedError("SwarmBroken")<{
  readonly reason: "storage" | "content" | "stalled" | "closed"
  readonly message: string
}> {}

/** A swarm that this host takes part in until the scope ends in which it was opened. */
export interface OpenSwarm {
  readonly swarm: SwarmId
  readonly metainfo: SwarmInfo
  /** The verified pieces; changes as pieces arrive. */
  readonly have: Bitfield
  /** Succeeds once the blob is whole and its digest is checked. */
  readonly completed: Effect.Effect<void, SwarmBroken>
  /** When the last piece was stored, the swarm opened, or the first reader began to wait; now while none waits. */
  readonly lastProgress: () => Micros
  /** The pieces that are missing are known to be on their way to a peer. */
  readonly noteProgress: () => void
  /** Calls `ready` once the piece is stored, or `broken` if the swarm breaks first. Returns a function to cancel. */
  readonly whenStored: (piece: number, ready: () => void, broken: (why: SwarmBroken) => void) => () => void
  readonly load: (piece: number, done: (outcome: LoadOutcome) => void) => void
  /** Requests these pieces in order before all others; `undefined` ends the demand of this reader. */
  readonly readAhead: (
    reader: number,
    range: { readonly first: number; readonly end: number } | undefined
  ) => void
  /** Requests all pieces until the returned function is called; without it only pieces of readers are requested. */
  readonly wantWhole: () => () => void
  readonly status: () => SwarmStatus | undefined
  /** Ends the swarm; every waiter gets `why`. */
  readonly breakWith: (why: SwarmBroken) => void
}

/** The part of the engine that an open swarm uses. */
export interface SwarmFace {
  readonly feed: (input: PeerHostInput) => void
  readonly status: (swarm: SwarmId) => SwarmStatus | undefined
  readonly breakSwarm: (swarm: SwarmId, why: SwarmBroken) => void
}

interface Waiter {
  readonly ready: () => void
  readonly broken: (why: SwarmBroken) => void
}

export class SwarmEntry implements OpenSwarm {
  readonly file: PieceFile
  readonly scope: Scope.Closeable
  readonly have: Bitfield
  readonly done = Deferred.makeUnsafe<void, SwarmBroken>()
  readonly completed = Deferred.await(this.done)
  owners = 0
  /** The last piece is stored; the check of the whole digest may still be in progress. */
  complete = false
  broken: SwarmBroken | undefined
  lastUse: Micros
  readonly #now: Timers["Service"]["now"]
  readonly #face: SwarmFace
  /** Made at the first waiter. */
  #waiters: Map<number, Set<Waiter>> | undefined
  #lastProgress: Micros
  /** Whether the machine requests only the pieces of readers. */
  #onDemand: boolean
  #wholeWishes = 0
  #waiting = 0

  /** @param onDemand Whether the machine requests only the pieces of readers. */
  constructor(
    file: PieceFile,
    scope: Scope.Closeable,
    timers: Timers["Service"],
    face: SwarmFace,
    onDemand: boolean
  ) {
    this.#onDemand = onDemand
    this.file = file
    this.scope = scope
    this.have = file.have()
    this.#now = timers.now
    this.#face = face
    this.#lastProgress = this.#now()
    this.lastUse = this.#lastProgress
  }

  get swarm(): SwarmId {
    return this.file.swarm
  }

  get metainfo(): SwarmInfo {
    return this.file.metainfo
  }

  readonly lastProgress = (): Micros => (this.#isAwaited ? this.#lastProgress : this.#now())

  readonly noteProgress = (): void => {
    this.#lastProgress = this.#now()
  }

  get #isAwaited(): boolean {
    return !this.#onDemand || this.#waiting > 0
  }

  readonly status = (): SwarmStatus | undefined => this.#face.status(this.swarm)

  readonly breakWith = (why: SwarmBroken): void => this.#face.breakSwarm(this.swarm, why)

  readonly load = (piece: number, done: (outcome: LoadOutcome) => void): void => {
    this.lastUse = this.#now()
    this.file.load(piece, done)
  }

  readonly readAhead: OpenSwarm["readAhead"] = (reader, range) => {
    if (range === undefined) {
      this.#face.feed({ tag: "ReaderLeft", swarm: this.swarm, reader })
      return
    }
    // The client that opened it for the whole may have left before it called wantWhole.
    this.#tellDemand()
    const { first, end } = range
    this.#face.feed({ tag: "ReaderMoved", swarm: this.swarm, reader, firstPiece: first, endPiece: end })
  }

  readonly wantWhole = (): (() => void) => {
    this.#wholeWishes++
    this.#tellDemand()
    let isWanted = true
    return () => {
      if (!isWanted) return
      isWanted = false
      this.#wholeWishes--
      this.#tellDemand()
    }
  }

  #tellDemand(): void {
    const onDemand = this.#wholeWishes === 0
    if (onDemand === this.#onDemand || this.have.isFull) return
    if (!this.#isAwaited) this.#lastProgress = this.#now()
    this.#onDemand = onDemand
    this.#face.feed({ tag: "DemandChanged", swarm: this.swarm, whole: !onDemand })
  }

  readonly whenStored: OpenSwarm["whenStored"] = (piece, ready, broken) => {
    if (this.broken !== undefined) {
      broken(this.broken)
      return () => {}
    }
    if (this.have.has(piece)) {
      ready()
      return () => {}
    }
    if (!this.#isAwaited) this.#lastProgress = this.#now()
    this.#waiting++
    const waiter: Waiter = { ready, broken }
    this.#waiters ??= new Map()
    const waiters = this.#waiters.get(piece) ?? new Set()
    this.#waiters.set(piece, waiters.add(waiter))
    return () => {
      if (!waiters.delete(waiter)) return
      this.#waiting--
      if (waiters.size === 0 && this.#waiters?.get(piece) === waiters) this.#waiters.delete(piece)
    }
  }

  /** Calls the waiters of a piece that was stored. */
  stored(piece: number): void {
    this.#lastProgress = this.#now()
    this.lastUse = this.#lastProgress
    const waiters = this.#waiting === 0 ? undefined : this.#waiters?.get(piece)
    if (waiters === undefined) return
    this.#waiters!.delete(piece)
    for (const waiter of waiters) {
      waiters.delete(waiter)
      this.#waiting--
      waiter.ready()
    }
  }

  /** Fails all waiters; later ones fail at once. */
  markBroken(why: SwarmBroken): void {
    this.broken = why
    Deferred.doneUnsafe(this.done, Effect.fail(why))
    const waiting = [...(this.#waiters?.values() ?? [])]
    this.#waiters?.clear()
    for (const waiters of waiting) for (const waiter of waiters) waiter.broken(why)
  }
}
