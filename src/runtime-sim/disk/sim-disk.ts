// The disk of a simulated machine, which survives its processes: folders with blobs, uploads, downloads and tables,
// and the time that disk and hashing take. Acknowledged uploads, tables and complete blobs survive a kill. A
// kill loses the newer half of the pieces of a download that are younger than the sync delay.
//
// Disk and hashing are one queue each per machine, first come, first served, at a rate. Idle time is not saved up.

import { createHash } from "node:crypto"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo, SwarmInfo, Torrent } from "../../protocol/wire/metainfo.ts"
import type { PieceHashes } from "../../protocol/wire/vouched-hashes.ts"
import { epochMillis, type Kernel } from "../kernel/kernel.ts"
import type { RandomStream } from "../kernel/seeded-random.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { type BlobContent, SymbolicContent } from "./blob-content.ts"
import { sharedTorrent } from "./sim-digests.ts"
import { type SymbolicBlob, SymbolicPayload } from "./symbolic-blobs.ts"

export interface DiskOptions {
  /** Bytes per second; Infinity costs nothing. */
  readonly readRate: number
  readonly writeRate: number
  readonly hashRate: number
  /**
   * Bytes in memory of what was written or read last. While the disk holds no more than this, reading a piece is
   * free.
   */
  readonly pageCache: number
  /** A kill loses the newer half of a download's pieces that are younger than this, in microseconds. */
  readonly syncDelay: Micros
  /** Time until a table's write or a blob's commit is durable. */
  readonly commitDelay: Micros
  /** Bytes that fit; Infinity when absent. */
  readonly capacity: number
}

export interface StoredUpload {
  chunks: Uint8Array[]
  size: number
  /** Acknowledged bytes, which survive a kill. */
  durable: number
}

export interface StoredDownload {
  readonly torrent: Torrent<SwarmInfo>
  readonly have: Bitfield
  /** Bytes by piece, or the symbol whose parts all pieces are. */
  readonly bytes: Array<Uint8Array | undefined>
  symbol: SymbolicBlob | undefined
  /** What the proofs of pieces of real bytes have taught; made for the first of them. */
  hashes: PieceHashes | undefined
  /** Pieces that are not synced yet, each followed by the instant of its write, oldest first. */
  unsynced: number[]
  /** The process that opened it last, and the pieces that an earlier one stored and it has not checked. */
  openedBy: SimProcess
  unchecked: Bitfield | undefined
}

export interface SimFolder {
  readonly blobs: Map<Digest, BlobContent>
  readonly torrents: Map<Digest, Torrent>
  readonly swarms: Map<SwarmId, Digest>
  /** Made with the first upload, like `tables` with the first row: most agents have neither. */
  uploads?: Map<string, StoredUpload>
  /** Uploads that are received in one go: a process that opens the folder next removes them. */
  receiving?: Set<string>
  readonly downloads: Map<Digest, StoredDownload>
  tables?: Map<string, Map<string, string>>
  /** When a blob or download was last written or used, in milliseconds since 1970; long ago when absent. */
  readonly usedAt: Map<Digest, number>
}

export class SimDisk {
  readonly options: DiskOptions
  readonly #kernel: Kernel
  readonly #hostName: string
  readonly #wholeDigests: Map<SwarmId, Digest>
  readonly #folders = new Map<string, SimFolder>()
  #names: RandomStream | undefined
  #usedBytes = 0
  #limit: number
  #diskFreeAt = 0
  #hashFreeAt = 0

  /**
   * @param wholeDigests Digests of complete downloads, for all disks of a world: pieces that match one metainfo are
   * the same bytes on every host, so they are hashed once.
   */
  constructor(
    kernel: Kernel,
    hostName: string,
    options: DiskOptions,
    wholeDigests: Map<SwarmId, Digest> = new Map()
  ) {
    this.#kernel = kernel
    this.#wholeDigests = wholeDigests
    this.#hostName = hostName
    this.options = options
    this.#limit = options.capacity
  }

  /** Names of uploads. The stream continues after restarts, so that no name repeats. */
  get names(): RandomStream {
    this.#names ??= this.#kernel.stream(`disk/${this.#hostName}`)
    return this.#names
  }

  folder(name: string): SimFolder {
    let folder = this.#folders.get(name)
    if (folder === undefined) {
      folder = {
        blobs: new Map(),
        torrents: new Map(),
        swarms: new Map(),
        downloads: new Map(),
        usedAt: new Map()
      }
      this.#folders.set(name, folder)
    }
    return folder
  }

  /** The folder's secret, the same at every start. */
  identity(folder: string): string {
    return createHash("sha256").update(`${this.#kernel.seed}/${this.#hostName}/${folder}`).digest("hex")
  }

  /** The digest of the whole blob, for a swarm with all pieces verified. */
  wholeDigest(swarm: SwarmId, compute: () => Digest): Digest {
    const digest = this.#wholeDigests.get(swarm) ?? compute()
    this.#wholeDigests.set(swarm, digest)
    return digest
  }

  /** Whether everything on the disk is still in memory, where the system keeps what was written or read last. */
  get isCached(): boolean {
    return this.#usedBytes <= this.options.pageCache
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Makes the disk full after `room` more bytes; when undefined, the capacity decides. */
  limitRoom(room: number | undefined): void {
    const { capacity } = this.options
    this.#limit = room === undefined ? capacity : Math.min(capacity, this.#usedBytes + room)
  }

  /** Takes room for bytes. Returns false when the disk is full. */
  allocate(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limit) return false
    this.#usedBytes += bytes
    return true
  }

  free(bytes: number): void {
    this.#usedBytes -= bytes
  }

  /** The instant at which a read of `bytes` that begins now is done. */
  readDone(bytes: number): Micros {
    return this.#queueDisk(bytes / this.options.readRate)
  }

  writeDone(bytes: number): Micros {
    return this.#queueDisk(bytes / this.options.writeRate)
  }

  /** The instants at which `bytes` that are handed over now are hashed, and then written. */
  verifiedAndWritten(bytes: number): Micros {
    const hashed = this.#queueHash(bytes)
    this.#diskFreeAt = Math.max(this.#diskFreeAt, hashed) + (bytes / this.options.writeRate) * 1e6
    return Math.ceil(this.#diskFreeAt)
  }

  hashDone(bytes: number): Micros {
    return Math.ceil(this.#queueHash(bytes))
  }

  forgetDownload(folder: SimFolder, digest: Digest): void {
    const download = folder.downloads.get(digest)
    if (download === undefined) return
    const { length, pieceLength } = download.torrent.metainfo
    this.free(Math.min(length, download.have.count * pieceLength))
    folder.downloads.delete(digest)
  }

  /** Records that a blob or download is written or used now. */
  noteUse(folder: SimFolder, digest: Digest): void {
    folder.usedAt.set(digest, epochMillis + Math.floor(this.#kernel.now / 1000))
  }

  /** Does to files what a kill does: everything that was not durable is lost. */
  crash(): void {
    const lostAfter = this.#kernel.now - this.options.syncDelay
    for (const folder of this.#folders.values()) {
      for (const upload of folder.uploads?.values() ?? []) this.#truncate(upload)
      for (const download of folder.downloads.values()) {
        const young = unsyncedSince(download, lostAfter)
        for (const piece of young.slice(Math.ceil(young.length / 2))) {
          if (!download.have.clear(piece)) continue
          const { pieceLength, length } = download.torrent.metainfo
          download.bytes[piece] = undefined
          this.free(Math.min(pieceLength, length - piece * pieceLength))
        }
        download.unsynced = []
      }
    }
    this.#diskFreeAt = 0
    this.#hashFreeAt = 0
  }

  /** What is durable ends with a chunk. */
  #truncate(upload: StoredUpload): void {
    while (upload.size > upload.durable) {
      const last = upload.chunks.pop()!
      this.free(last.byteLength)
      upload.size -= last.byteLength
    }
  }

  #queueDisk(seconds: number): Micros {
    this.#diskFreeAt = Math.max(this.#diskFreeAt, this.#kernel.now) + seconds * 1e6
    return Math.ceil(this.#diskFreeAt)
  }

  #queueHash(bytes: number): number {
    this.#hashFreeAt = Math.max(this.#hashFreeAt, this.#kernel.now) + (bytes / this.options.hashRate) * 1e6
    return this.#hashFreeAt
  }
}

/** Pieces written after `since`, oldest first. */
const unsyncedSince = ({ unsynced }: StoredDownload, since: Micros): number[] =>
  unsynced.filter((_, index) => index % 2 === 0 && unsynced[index + 1]! > since)

/** Stores metainfo, and replaces what was there for its digest. */
export const putTorrent = (folder: SimFolder, metainfo: Metainfo): Torrent => {
  const torrent = sharedTorrent(metainfo)
  const before = folder.torrents.get(metainfo.digest)
  if (before?.swarm === torrent.swarm) return before
  if (before !== undefined) folder.swarms.delete(before.swarm)
  folder.torrents.set(metainfo.digest, torrent)
  folder.swarms.set(torrent.swarm, metainfo.digest)
  return torrent
}

export const removeTorrent = (folder: SimFolder, digest: Digest): void => {
  const torrent = folder.torrents.get(digest)
  if (torrent === undefined) return
  folder.torrents.delete(digest)
  folder.swarms.delete(torrent.swarm)
}

/** Puts a symbolic blob into a folder, complete and with its metainfo, as if it had been uploaded. */
export const preloadSymbolicBlob = (folder: SimFolder, blob: SymbolicBlob): Torrent => {
  folder.blobs.set(blob.digest, new SymbolicContent(blob))
  return putTorrent(folder, blob.metainfo)
}

/** A payload of the same length with other content, for hosts that send corrupt pieces. */
export const corrupted = (payload: Uint8Array | SymbolicPayload): Uint8Array | SymbolicPayload => {
  if (payload instanceof SymbolicPayload) {
    return new SymbolicPayload(payload.blob, payload.piece, payload.byteLength, true)
  }
  const changed = payload.slice()
  if (changed.byteLength > 0) changed[0]! ^= 0xff
  return changed
}
