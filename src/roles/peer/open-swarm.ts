// Decides what the control plane holds of a swarm that its host is in: progress, who waits for which piece, whether it
// is wanted whole, is whole or broken, and how many owners keep it open. The peer engine makes it and ends it.
//
// Invariant: a waiter is called once, with the piece or with why it will not come.

import { Data, Deferred, Effect, type Scope } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import type { PeerHostInput, SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { LoadOutcome, PieceFile } from "../services/blob-store.ts"
import type { Timers } from "../services/timers.ts"

/** A swarm that cannot go on: no room, wrong content, no progress. `message` says which and of what. */
export class SwarmBroken extends Data.TaggedError("SwarmBroken")<{
  readonly reason: "storage" | "content" | "stalled" | "closed"
  readonly message: string
}> {}

/** A swarm that this host is in; the scope in which it was opened holds it. */
export interface OpenSwarm {
  readonly swarm: SwarmId
  readonly metainfo: Metainfo
  /** Verified pieces, live. */
  readonly have: Bitfield
  /** Succeeds when the blob is whole and its digest was checked. */
  readonly completed: Effect.Effect<void, SwarmBroken>
  /** When a piece was stored last, the swarm opened, or the first one began to wait; now while nobody waits. */
  readonly lastProgress: () => Micros
  /** Calls `ready` once the piece is stored, at once if it is; `broken` if the swarm breaks first. Gives its cancel. */
  readonly whenStored: (piece: number, ready: () => void, broken: (why: SwarmBroken) => void) => () => void
  readonly load: (piece: number, done: (outcome: LoadOutcome) => void) => void
  /** Asks for these pieces before all others, in order; `undefined` withdraws the wish of this reader. */
  readonly readAhead: (
    reader: number,
    range: { readonly first: number; readonly end: number } | undefined
  ) => void
  /** Asks for all pieces until the wish is withdrawn by what this gives; without one only for what is read ahead. */
  readonly wantWhole: () => () => void
  readonly status: () => SwarmStatus | undefined
  /** Ends the swarm for everyone: whoever waits gets `why`. */
  readonly breakWith: (why: SwarmBroken) => void
}

/** What a swarm asks of the engine that drives its machine. */
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
  /** The last piece was stored; the whole digest may still be under way. */
  complete = false
  broken: SwarmBroken | undefined
  lastUse: Micros
  readonly #now: Timers["Service"]["now"]
  readonly #face: SwarmFace
  /** Made with the first waiter. */
  #waiters: Map<number, Set<Waiter>> | undefined
  #lastProgress: Micros
  /** What the machine was told. */
  #onDemand: boolean
  #wholeWishes = 0
  #waiting = 0

  /** @param onDemand Whether the machine opens it for what is read ahead alone. */
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

  get metainfo(): Metainfo {
    return this.file.metainfo
  }

  readonly lastProgress = (): Micros => (this.#isAwaited ? this.#lastProgress : this.#now())

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
    // Whoever opened it for the whole may have gone before wishing for it.
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

  /** The piece is in the store. */
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

  /** Tells everyone who waits; further waiters are told at once. */
  markBroken(why: SwarmBroken): void {
    this.broken = why
    Deferred.doneUnsafe(this.done, Effect.fail(why))
    const waiting = [...(this.#waiters?.values() ?? [])]
    this.#waiters?.clear()
    for (const waiters of waiting) for (const waiter of waiters) waiter.broken(why)
  }
}
