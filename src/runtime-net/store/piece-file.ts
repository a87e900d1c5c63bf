// One blob that is open piece by piece: a download that fills, or a complete blob that is read. A piece is verified
// before it is written, written before it is reported as stored, and only then loaded again.
//
//   downloading --complete, digest right--> complete
//        |--complete, digest wrong--> discarded
//        |--removed--> discarded               (a removed complete blob stays readable until it is closed)
//
// Invariants: `have` names only pieces whose bytes this process has hashed; every callback comes later than its call;
// the file is closed only when no operation on it is running.

import { Effect } from "effect"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { digestAlgorithm } from "../../protocol/wire/digest.ts"
import { pieceHash } from "../../protocol/wire/hash-tree.ts"
import { pieceCount, pieceSize, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"
import type { PieceHashes } from "../../protocol/wire/vouched-hashes.ts"
import {
  BlobStoreError,
  type LoadOutcome,
  type PieceFile,
  type StoreOutcome
} from "../../roles/services/blob-store.ts"
import { sha256 } from "../platform/node-digests.ts"
import { holdBytes, releaseBytes, takePayload } from "../platform/piece-buffer.ts"
import type { Disk } from "./disk.ts"
import { diskError } from "./disk-files.ts"
import type { PieceHints } from "./piece-hints.ts"
import { type DigestOutcome, makePrefixDigest } from "./prefix-digest.ts"
import type { RecentPiecesOfFile } from "./recent-pieces.ts"

type PieceFileState = "downloading" | "complete" | "discarded"

/** Keeps the hints of a download: `written` names its pieces; `began` and `ended` surround every write. */
export type KeepHints = (written: () => Bitfield, began: () => void, ended: () => void) => PieceHints

export interface OpenPieceFile {
  readonly torrent: Torrent<SwarmInfo>
  readonly path: string
  readonly file: number
  readonly state: () => PieceFileState
  readonly setState: (state: PieceFileState) => void
  /** The hashes that are known to be right; of all pieces in `have`, and what proves them. */
  readonly hashes: PieceHashes
  readonly have: () => Bitfield
  readonly load: (piece: number, done: (outcome: LoadOutcome) => void) => void
  readonly store: PieceFile["store"]
  /** Stores a piece that this host vouches for: `prove` gives the proof of its hash. */
  readonly put: (
    piece: number,
    payload: Payload,
    prove: (hash: Uint8Array) => HashProof,
    done: (outcome: StoreOutcome) => void
  ) => void
  readonly recorded: PieceFile["recorded"]
  readonly check: PieceFile["check"]
  /** The digest of the whole blob. Every piece must be stored. */
  readonly wholeDigest: Effect.Effect<Digest, BlobStoreError>
  /** The file stays open while `effect` runs. */
  readonly whileBusy: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Writes the hints down that are not written yet. */
  readonly flushHints: () => void
  readonly isSettled: () => boolean
  /** Waits until no read, write or whileBusy is running. */
  readonly settled: Effect.Effect<void>
}

/**
 * Takes over the open `file`. `hashes` are those that are known already, all of them for a complete blob; a download
 * may keep hints for the next process; `verified` are the pieces that this process hashed when the download was open
 * before, and `recorded` those that an earlier one wrote, whose hashes are known.
 */
export const makePieceFile = (
  disk: Disk,
  torrent: Torrent<SwarmInfo>,
  path: string,
  file: number,
  hashes: PieceHashes,
  as: "blob" | "download",
  recent: RecentPiecesOfFile,
  keepHints?: KeepHints,
  verified?: Bitfield,
  recorded?: Bitfield
): OpenPieceFile => {
  const { metainfo } = torrent
  const pieces = pieceCount(metainfo)
  const have = as === "blob" ? Bitfield.full(pieces) : (verified?.copy() ?? new Bitfield(pieces))
  const unchecked = recorded?.copy() ?? new Bitfield(pieces)
  let state: PieceFileState = as === "blob" ? "complete" : "downloading"

  let underWay = 0
  let idleWaiters: Array<() => void> = []
  const began = (): void => {
    underWay++
  }
  const ended = (): void => {
    underWay--
    if (underWay > 0) return
    const woken = idleWaiters
    idleWaiters = []
    for (const wake of woken) wake()
  }

  const failed = (operation: string, why: string): BlobStoreError =>
    new BlobStoreError({ reason: "io", message: `cannot ${operation} of ${path}: ${why}` })

  /** Reads that are under way, with those who wait for them. */
  const reading = new Map<number, Array<(bytes: Uint8Array | BlobStoreError) => void>>()

  /** Each caller holds the bytes that it gets. They come later. */
  const read = (piece: number, done: (bytes: Uint8Array | BlobStoreError) => void): void => {
    const known = recent.take(piece)
    if (known !== undefined) {
      began()
      setImmediate(() => {
        done(known)
        ended()
      })
      return
    }
    const others = reading.get(piece)
    if (others !== undefined) {
      others.push(done)
      return
    }
    const waiting = [done]
    reading.set(piece, waiting)
    const bytes = takePayload(pieceSize(metainfo, piece))
    began()
    disk.read(file, bytes, piece * metainfo.pieceLength, (error, count) => {
      reading.delete(piece)
      const isWhole = error === null && count === bytes.length
      // What is not checked yet must not be served.
      if (isWhole && have.has(piece)) recent.keep(piece, bytes)
      const outcome = isWhole
        ? bytes
        : error !== null
          ? diskError(`read piece ${piece} of`, path, error)
          : failed(`read piece ${piece}`, "the file is too short")
      for (const tell of waiting) {
        if (isWhole) holdBytes(bytes)
        tell(outcome)
      }
      releaseBytes(bytes)
      ended()
    })
  }

  const newPrefixDigest = () =>
    makePrefixDigest({
      algorithm: digestAlgorithm(metainfo.digest),
      pieces,
      has: (piece) => have.has(piece),
      read: (piece, done) =>
        read(piece, (bytes) => {
          done(bytes)
          if (bytes instanceof Uint8Array) releaseBytes(bytes)
        })
    })
  let prefix = newPrefixDigest()
  const hinted = keepHints?.(() => union(have, unchecked), began, ended)

  const load: OpenPieceFile["load"] = (piece, done) => {
    if (state === "discarded" || !have.has(piece)) {
      setImmediate(done, { tag: "Failed", error: failed(`load piece ${piece}`, "it is not there") })
      return
    }
    read(piece, (bytes) =>
      done(
        bytes instanceof Uint8Array
          ? {
              tag: "Loaded",
              payload: bytes,
              proof: hashes.proofOf(piece),
              release: () => releaseBytes(bytes)
            }
          : { tag: "Failed", error: bytes }
      )
    )
  }

  const isPiece = (piece: number, bytes: Uint8Array, prove: (hash: Uint8Array) => HashProof): boolean => {
    if (bytes.length !== pieceSize(metainfo, piece)) return false
    const hash = pieceHash(metainfo, bytes, sha256)
    const proof = prove(hash)
    invariant(proof instanceof Uint8Array, "piece file: a proof is not bytes")
    return hashes.learn(piece, hash, proof)
  }

  /** Pieces that are being written, with the callbacks that wait for them. */
  const writing = new Map<number, Array<(outcome: StoreOutcome) => void>>()

  const put: OpenPieceFile["put"] = (piece, payload, prove, done) => {
    invariant(payload instanceof Uint8Array, "piece file: a payload is not bytes")
    if (state === "discarded") {
      setImmediate(done, { tag: "Failed", error: failed(`store piece ${piece}`, "the download was removed") })
      return
    }
    if (!isPiece(piece, payload, prove)) {
      releaseBytes(payload)
      setImmediate(done, { tag: "Corrupt" })
      return
    }
    if (have.has(piece)) {
      releaseBytes(payload)
      setImmediate(done, { tag: "Stored" })
      return
    }
    const others = writing.get(piece)
    if (others !== undefined) {
      releaseBytes(payload)
      others.push(done)
      return
    }
    const waiting = [done]
    writing.set(piece, waiting)
    began()
    disk.write(file, [payload], piece * metainfo.pieceLength, (error) => {
      writing.delete(piece)
      if (error === null) unchecked.clear(piece)
      if (error === null && have.set(piece)) {
        recent.keep(piece, payload)
        prefix.stored(piece, payload)
        hinted?.changed()
      }
      releaseBytes(payload)
      const outcome: StoreOutcome =
        error === null
          ? { tag: "Stored" }
          : { tag: "Failed", error: diskError(`write piece ${piece} of`, path, error) }
      for (const tell of waiting) tell(outcome)
      ended()
    })
  }

  return {
    torrent,
    path,
    file,
    hashes,
    state: () => state,
    setState: (to) => {
      state = to
    },
    have: () => have.copy(),
    load,
    store: (piece, payload, proof, done) => put(piece, payload, () => proof, done),
    put,
    recorded: () => unchecked.copy(),
    check: (piece, done) => {
      const known = unchecked.clear(piece)
      read(piece, (bytes) => {
        const isThere =
          known &&
          state === "downloading" &&
          bytes instanceof Uint8Array &&
          hashes.learn(piece, pieceHash(metainfo, bytes, sha256), new Uint8Array(0))
        if (isThere && have.set(piece)) {
          recent.keep(piece, bytes)
          prefix.stored(piece, bytes)
          hinted?.changed()
        }
        if (bytes instanceof Uint8Array) releaseBytes(bytes)
        done(isThere || have.has(piece))
      })
    },
    wholeDigest: Effect.callback<DigestOutcome>((resume) => {
      invariant(have.isFull, "piece file: completed with pieces missing")
      prefix.whenFinished((outcome) => resume(Effect.succeed(outcome)))
    }).pipe(
      Effect.flatMap((outcome) => {
        if (outcome.tag === "Digest") return Effect.succeed(outcome.digest)
        prefix = newPrefixDigest()
        return Effect.fail(outcome.error)
      })
    ),
    whileBusy: (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(began),
        () => effect,
        () => Effect.sync(ended)
      ),
    flushHints: () => {
      if (state === "downloading") hinted?.flush()
    },
    isSettled: () => underWay === 0,
    settled: Effect.callback<void>((resume) => {
      if (underWay === 0) resume(Effect.void)
      else idleWaiters.push(() => resume(Effect.void))
    })
  }
}

const union = (one: Bitfield, other: Bitfield): Bitfield => {
  const both = one.copy()
  for (let piece = 0; piece < other.length; piece++) if (other.has(piece)) both.set(piece)
  return both
}
