// One simulated blob that is open piece by piece. Verification is real: the hash of the payload leads by its proof to
// the root, or is signed by the key of an arrival; a symbol says what it stands for. Hashing and disk are charged in
// virtual time, and so is the digest of the whole, which follows the run of pieces from the front like the file
// store's.
//
//   downloading --complete, digest right--> complete
//        |--complete, digest wrong--> discarded
//        |--removed--> discarded               (a removed complete blob stays readable until it is closed)

import { Effect } from "effect"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { hashBytes, unclesMissing } from "../../protocol/wire/hash-tree.ts"
import {
  isArrival,
  type Metainfo,
  pieceCount,
  pieceSize,
  type SwarmInfo,
  type Torrent
} from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"
import { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import { type PieceHashes, VouchedHashes, vouchedText } from "../../protocol/wire/vouched-hashes.ts"
import {
  type BlobStoreError,
  DigestMismatch,
  type LoadOutcome,
  type PieceFile,
  type StoreOutcome
} from "../../roles/services/blob-store.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds } from "../kernel/kernel.ts"
import { type BlobContent, RealContent, SymbolicContent } from "./blob-content.ts"
import { payloadHash, sha256 } from "./sim-digests.ts"
import { corrupted, putTorrent, removeTorrent, type SimFolder, type StoredDownload } from "./sim-disk.ts"
import { checkSimSignature, simSignature } from "./sim-signatures.ts"
import type { StorageSession } from "./storage-session.ts"
import { type SymbolicBlob, SymbolicPayload, SymbolicProof } from "./symbolic-blobs.ts"

const kinds = {
  loaded: eventKinds.storage + 1,
  stored: eventKinds.storage + 2,
  checked: eventKinds.storage + 3
} as const

/** Number of recorded unsynced pieces above which the synced ones among them are dropped. */
const rememberedUnsynced = 64

const storedOutcome: StoreOutcome = { tag: "Stored" }
const corruptOutcome: StoreOutcome = { tag: "Corrupt" }

type LoadDone = (outcome: LoadOutcome) => void

interface StoreRequest {
  readonly payload: Payload
  /** When absent, this host vouches for the piece. */
  readonly proof: HashProof | undefined
  readonly done: (outcome: StoreOutcome) => void
}

export class OpenFile implements PieceFile, EventTarget {
  readonly metainfo: SwarmInfo
  readonly swarm: Torrent["swarm"]
  users = 1
  readonly #session: StorageSession
  readonly #folder: SimFolder
  readonly #download: StoredDownload | undefined
  #content: BlobContent | undefined
  /** The symbol whose root is known to be that of the metainfo. */
  #symbol: SymbolicBlob | undefined
  #discarded = false
  /** The digest of the whole blob as it grows: the pieces before this one are hashed, the last at `#prefixDoneAt`. */
  #prefix = 0
  #prefixDoneAt: Micros = 0

  constructor(
    session: StorageSession,
    folder: SimFolder,
    torrent: Torrent<SwarmInfo>,
    content: BlobContent | undefined
  ) {
    this.#session = session
    this.#folder = folder
    this.metainfo = torrent.metainfo
    this.swarm = torrent.swarm
    this.#content = content
    this.#download = content === undefined ? openDownload(folder, torrent, session) : undefined
    if (content === undefined) session.disk.noteUse(folder, torrent.metainfo.digest)
    this.#advancePrefix()
  }

  /** Pieces that an earlier process stored, which are hashed again before they count. */
  get #unchecked(): Bitfield | undefined {
    return this.#content === undefined ? this.#download?.unchecked : undefined
  }

  get isDownloading(): boolean {
    return this.#content === undefined && !this.#discarded
  }

  have(): Bitfield {
    const pieces = pieceCount(this.metainfo)
    if (this.#download === undefined) return Bitfield.full(pieces)
    const have = this.#download.have.copy()
    if (this.#unchecked === undefined) return have
    for (let piece = 0; piece < pieces; piece++) if (this.#unchecked.has(piece)) have.clear(piece)
    return have
  }

  recorded(): Bitfield {
    return this.#unchecked?.copy() ?? new Bitfield(pieceCount(this.metainfo))
  }

  check(piece: number, done: (isThere: boolean) => void): void {
    const { process, disk } = this.#session
    const bytes = pieceSize(this.metainfo, piece)
    const at = Math.max(disk.readDone(bytes), disk.hashDone(bytes))
    process.kernel.schedule(at, this, kinds.checked, process.host.index, done, piece)
  }

  load(piece: number, done: LoadDone): void {
    const { process, disk } = this.#session
    if (disk.isCached) {
      done(this.#load(piece))
      return
    }
    const at = disk.readDone(pieceSize(this.metainfo, piece))
    process.kernel.schedule(at, this, kinds.loaded, process.host.index, done, piece)
  }

  store(piece: number, payload: Payload, proof: HashProof, done: StoreRequest["done"]): void {
    this.#verify(piece, payload, proof, done)
  }

  put(piece: number, payload: Uint8Array, done: StoreRequest["done"]): void {
    this.#verify(piece, payload, undefined, done)
  }

  #verify(piece: number, payload: Payload, proof: HashProof | undefined, done: StoreRequest["done"]): void {
    const { process, disk } = this.#session
    const request: StoreRequest = { payload, proof, done }
    const at = disk.verifiedAndWritten(payload.byteLength)
    process.kernel.schedule(at, this, kinds.stored, process.host.index, request, piece)
  }

  fire(kind: number, subject: unknown, piece: number): void {
    if (!this.#session.process.alive) return
    if (kind === kinds.loaded) {
      ;(subject as LoadDone)(this.#load(piece))
    } else if (kind === kinds.checked) {
      if (this.#unchecked?.clear(piece) === true) this.#advancePrefix()
      ;(subject as (isThere: boolean) => void)(!this.#discarded && this.#has(piece))
    } else {
      const request = subject as StoreRequest
      request.done(this.#store(piece, request.payload, request.proof))
    }
  }

  get complete(): Effect.Effect<void, DigestMismatch | BlobStoreError> {
    return Effect.suspend(() => this.#complete())
  }

  #complete(): Effect.Effect<void, DigestMismatch | BlobStoreError> {
    const session = this.#session
    if (this.#content !== undefined) return Effect.void
    if (this.#discarded) return Effect.fail(this.#removedMeanwhile())
    invariant(this.#download!.have.isFull, "piece file: completed with pieces missing")
    const { kernel } = session.process
    const synced = Math.max(this.#prefixDoneAt, kernel.now) + session.disk.options.commitDelay
    return Effect.flatMap(session.until(Math.ceil(synced), "complete a download"), () => this.#install())
  }

  /** Ends the file: nobody may store into it any more. */
  discard(): void {
    if (this.#content === undefined) this.#discarded = true
  }

  #load(piece: number): LoadOutcome {
    if (this.#discarded || !this.#has(piece)) {
      return { tag: "Failed", error: this.#session.error(`load piece ${piece}`, "it is not there") }
    }
    const { pieceLength } = this.metainfo
    const payload = this.#content?.piece(piece, pieceLength) ?? this.#stored(piece)
    const proof = this.#proof(piece)
    const { corruptPieces, corruptProofs } = this.#session.faults
    return {
      tag: "Loaded",
      payload: corruptPieces ? corrupted(payload as Uint8Array | SymbolicPayload) : payload,
      proof: corruptProofs && proof instanceof Uint8Array ? proof.map((byte) => byte ^ 1) : proof
    }
  }

  #proof(piece: number): HashProof {
    // The signatures of an arrival are kept with its download, also after it is complete.
    if (this.#content === undefined || isArrival(this.metainfo)) return this.#storedProof(piece)
    return this.#content.proof(piece, this.metainfo)
  }

  #store(piece: number, payload: Payload, proof: HashProof | undefined): StoreOutcome {
    const session = this.#session
    if (this.#discarded) {
      return { tag: "Failed", error: session.error(`store piece ${piece}`, "the download was removed") }
    }
    const size = pieceSize(this.metainfo, piece)
    if (payload.byteLength !== size || !this.#matches(piece, payload, proof)) return corruptOutcome
    const download = this.#download
    if (download === undefined || download.have.has(piece)) {
      if (this.#unchecked?.clear(piece) === true) this.#advancePrefix()
      return storedOutcome
    }
    if (!session.disk.allocate(size)) return { tag: "Failed", error: session.full(`store piece ${piece}`) }
    if (payload instanceof SymbolicPayload) download.symbol = payload.blob
    else download.bytes[piece] = payload as Uint8Array
    download.have.set(piece)
    this.#noteUnsynced(download, piece)
    this.#advancePrefix()
    return storedOutcome
  }

  #matches(piece: number, payload: Payload, proof: HashProof | undefined): boolean {
    if (payload instanceof SymbolicPayload) return this.#provesSymbol(piece, payload, proof)
    const hash = payloadHash(this.metainfo, payload)
    const proved = proof ?? this.#vouchFor(piece, hash)
    invariant(proved instanceof Uint8Array, "piece file: the proof of real bytes is not bytes")
    return this.#hashes.learn(piece, hash, proved)
  }

  #vouchFor(piece: number, hash: Uint8Array): Uint8Array {
    invariant(isArrival(this.metainfo), "piece file: only an arrival is vouched for")
    return simSignature(this.metainfo.key, vouchedText(piece, hash))
  }

  #provesSymbol(
    piece: number,
    { blob, corrupted, piece: actual }: SymbolicPayload,
    proof: HashProof | undefined
  ): boolean {
    invariant(proof instanceof SymbolicProof, "piece file: the proof of a symbol is no symbol")
    invariant(!isArrival(this.metainfo), "piece file: a blob that arrives has real bytes")
    if (corrupted || actual !== piece || proof.blob !== blob || proof.piece !== piece) return false
    if (this.#symbol !== blob) {
      if (!sameRoot(blob.metainfo, this.metainfo)) return false
      this.#symbol = blob
    }
    const missing = this.#download === undefined ? 0 : unclesMissing(this.#download.have, piece)
    return proof.byteLength >= missing * hashBytes
  }

  /** Those of a download, or those of a complete blob that is stored once more, which a proof can teach nothing. */
  get #hashes(): PieceHashes {
    const download = this.#download
    if (download === undefined) return this.#noHashes()
    download.hashes ??= this.#noHashes()
    return download.hashes
  }

  #noHashes(): PieceHashes {
    const { metainfo } = this
    return isArrival(metainfo)
      ? new VouchedHashes(metainfo, metainfo.key, checkSimSignature)
      : new VerifiedHashes(metainfo, metainfo.root, sha256)
  }

  #has(piece: number): boolean {
    if (this.#download === undefined) return true
    return this.#download.have.has(piece) && this.#unchecked?.has(piece) !== true
  }

  #stored(piece: number): Payload {
    const { bytes, symbol } = this.#download!
    return symbol === undefined ? bytes[piece]! : symbol.payload(piece)
  }

  #storedProof(piece: number): HashProof {
    const { hashes, symbol } = this.#download!
    return symbol === undefined ? hashes!.proofOf(piece) : symbol.proof(piece)
  }

  #noteUnsynced(download: StoredDownload, piece: number): void {
    const { now } = this.#session.process.kernel
    const { unsynced } = download
    unsynced.push(piece, now)
    if (unsynced.length < 2 * rememberedUnsynced) return
    const syncedBefore = now - this.#session.disk.options.syncDelay
    let synced = 0
    while (synced < unsynced.length && unsynced[synced + 1]! <= syncedBefore) synced += 2
    if (synced > 0) unsynced.splice(0, synced)
  }

  #advancePrefix(): void {
    const download = this.#download
    if (download === undefined) return
    const { kernel } = this.#session.process
    const { hashRate } = this.#session.disk.options
    const pieces = pieceCount(this.metainfo)
    while (this.#prefix < pieces && this.#has(this.#prefix)) {
      const size = pieceSize(this.metainfo, this.#prefix++)
      this.#prefixDoneAt = Math.max(this.#prefixDoneAt, kernel.now) + (size / hashRate) * 1e6
    }
  }

  #install(): Effect.Effect<void, DigestMismatch | BlobStoreError> {
    const folder = this.#folder
    const download = this.#download!
    const { digest, pieceLength, length } = this.metainfo
    if (this.#content !== undefined) return Effect.void
    if (this.#discarded) return Effect.fail(this.#removedMeanwhile())
    const content =
      download.symbol === undefined
        ? new RealContent(download.bytes as Uint8Array[], pieceLength, length)
        : new SymbolicContent(download.symbol)
    const actual = this.#session.disk.wholeDigest(this.swarm, () => content.digest(digest))
    folder.downloads.delete(digest)
    if (actual !== digest) {
      this.#discarded = true
      this.#session.disk.free(length)
      if (!isArrival(this.metainfo)) removeTorrent(folder, digest)
      return Effect.fail(new DigestMismatch({ expected: digest, actual }))
    }
    this.#content = content
    folder.blobs.set(digest, content)
    if (isArrival(this.metainfo)) putTorrent(folder, content.metainfo(digest, pieceLength))
    this.#session.disk.noteUse(folder, digest)
    return Effect.void
  }

  #removedMeanwhile(): BlobStoreError {
    return this.#session.error("complete a download", `${this.metainfo.digest} was removed meanwhile`)
  }
}

const openDownload = (
  folder: SimFolder,
  torrent: Torrent<SwarmInfo>,
  { process, disk }: StorageSession
): StoredDownload => {
  const { digest } = torrent.metainfo
  const before = folder.downloads.get(digest)
  if (before?.torrent.swarm === torrent.swarm) {
    if (before.openedBy !== process)
      before.unchecked = before.have.count === 0 ? undefined : before.have.copy()
    before.openedBy = process
    return before
  }
  disk.forgetDownload(folder, digest)
  const download: StoredDownload = {
    torrent,
    have: new Bitfield(pieceCount(torrent.metainfo)),
    bytes: [],
    symbol: undefined,
    hashes: undefined,
    unsynced: [],
    openedBy: process,
    unchecked: undefined
  }
  folder.downloads.set(digest, download)
  return download
}

export const sameRoot = (one: Metainfo, other: Metainfo): boolean =>
  one.root.every((byte, index) => byte === other.root[index])
