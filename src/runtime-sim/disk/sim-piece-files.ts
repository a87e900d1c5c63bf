// The simulated blobs of a store that are open piece by piece: one open file per swarm, shared by all its users
// (sim-piece-file.ts). Of the files of one digest at most one is a download; a blob that arrived is open by its arrival
// and by its metainfo.

import { Effect, type Scope } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { hashBytes } from "../../protocol/wire/hash-tree.ts"
import {
  type Arrival,
  isArrival,
  type Metainfo,
  type PiecedBlob,
  type SwarmInfo,
  type Torrent
} from "../../protocol/wire/metainfo.ts"
import { held } from "../../roles/scoped.ts"
import type { ArrivingFile, BlobStoreError, PieceFile } from "../../roles/services/blob-store.ts"
import type { BlobContent } from "./blob-content.ts"
import { sharedTorrent, simDigests } from "./sim-digests.ts"
import { putTorrent, type SimFolder } from "./sim-disk.ts"
import { OpenFile, sameRoot } from "./sim-piece-file.ts"
import type { StorageSession } from "./storage-session.ts"

/** The open piece files of one store. */
export class SimPieceFiles {
  readonly #session: StorageSession
  readonly #folder: SimFolder
  /** At most one of a digest's files is a download. */
  readonly #opened = new Map<Digest, ReadonlyArray<OpenFile>>()

  constructor(session: StorageSession, folder: SimFolder) {
    this.#session = session
    this.#folder = folder
  }

  open(metainfo: SwarmInfo): Effect.Effect<PieceFile, BlobStoreError, Scope.Scope> {
    return this.#held(metainfo)
  }

  openArrival(blob: PiecedBlob): Effect.Effect<ArrivingFile, BlobStoreError, Scope.Scope> {
    return Effect.suspend(() => {
      const { digest, length, pieceLength } = blob
      const key = new Uint8Array(Buffer.from(this.#session.disk.names.nextHex(hashBytes), "hex"))
      const arrival: Arrival = { digest, length, pieceLength, key }
      return Effect.map(this.#held(arrival), (file) => file as ArrivingFile)
    })
  }

  #held(metainfo: SwarmInfo): Effect.Effect<OpenFile, BlobStoreError, Scope.Scope> {
    return Effect.uninterruptible(
      Effect.flatMap(this.#acquire(metainfo), (file) => held(() => file, this.#release))
    )
  }

  readonly #release = (file: OpenFile): void => {
    file.users--
    if (file.users === 0) this.#drop(file)
  }

  #openedOf(digest: Digest): ReadonlyArray<OpenFile> {
    return this.#opened.get(digest) ?? []
  }

  #drop(file: OpenFile): void {
    const { digest } = file.metainfo
    const rest = this.#openedOf(digest).filter((one) => one !== file)
    if (rest.length === 0) this.#opened.delete(digest)
    else this.#opened.set(digest, rest)
  }

  /** A removed download accepts no more pieces. */
  detach(digest: Digest): void {
    for (const file of this.#openedOf(digest)) file.discard()
    this.#opened.delete(digest)
  }

  #acquire(metainfo: SwarmInfo): Effect.Effect<OpenFile, BlobStoreError> {
    const session = this.#session
    const { digest } = metainfo
    return Effect.suspend(() => {
      if (!session.process.alive) return Effect.fail(session.fenced("open pieces"))
      const swarm = simDigests.swarmId(metainfo)
      const shared = this.#openedOf(digest).find((file) => file.swarm === swarm)
      if (shared !== undefined) {
        shared.users++
        return Effect.succeed(shared)
      }
      if (this.#openedOf(digest).some((file) => file.isDownloading)) {
        return Effect.fail(
          session.error("open pieces", `${digest} is open with other metainfo; close that first`)
        )
      }
      const content = this.#folder.blobs.get(digest)
      const torrent = isArrival(metainfo)
        ? this.#arriving(metainfo, content)
        : this.#torrentOf(metainfo, content)
      if (typeof torrent === "string") return Effect.fail(session.error("open pieces", torrent))
      const file = new OpenFile(session, this.#folder, torrent, content)
      this.#opened.set(digest, [...this.#openedOf(digest), file])
      return Effect.succeed(file)
    })
  }

  #arriving(arrival: Arrival, content: BlobContent | undefined): Torrent<Arrival> | string {
    return content === undefined ? sharedTorrent(arrival) : `${arrival.digest} is here already`
  }

  #torrentOf(metainfo: Metainfo, content: BlobContent | undefined): Torrent | string {
    const { digest } = metainfo
    if (content !== undefined && content.length !== metainfo.length) {
      return `${digest} has ${content.length} bytes, not ${metainfo.length}`
    }
    const isKnown = this.#folder.torrents.get(digest)?.swarm === simDigests.swarmId(metainfo)
    if (
      content !== undefined &&
      !isKnown &&
      !sameRoot(content.metainfo(digest, metainfo.pieceLength), metainfo)
    ) {
      return `the tree of ${digest} has another root`
    }
    return putTorrent(this.#folder, metainfo)
  }
}
