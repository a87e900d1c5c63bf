// The blobs that are open piece by piece: one open file per swarm, however often it is opened, so that a host
// continues to seed what it has just completed. It opens, resumes, completes and discards downloads; piece-file.ts
// moves the pieces.
//
// A blob that arrives (vouched-hashes.ts) is a download without metainfo, at the origin that receives it and at others.
// When it is complete its root is computed from the hashes of its pieces, and it has metainfo. Hosts that are not done
// yet still read it by its arrival, while others read it by its metainfo already: two open files of one blob.
//
// Invariants: a download becomes a blob only by its whole digest, and is synced before it is renamed. At a mismatch the
// pieces and the metainfo that led to them are removed. After a crash, pieces count only once they have been hashed
// again; those of an arrival are removed, since nothing proves them any more.

import { dirname } from "node:path"
import { Effect, Option, type Scope, Semaphore } from "effect"
import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import { type Digest, toHex } from "../../protocol/wire/digest.ts"
import { rootOfLayer } from "../../protocol/wire/hash-tree.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import {
  type Arrival,
  isArrival,
  type Metainfo,
  type PiecedBlob,
  pieceCount,
  type SwarmInfo
} from "../../protocol/wire/metainfo.ts"
import { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import { type PieceHashes, VouchedHashes, vouchedText } from "../../protocol/wire/vouched-hashes.ts"
import {
  type ArrivingFile,
  BlobStoreError,
  DigestMismatch,
  type PieceFile
} from "../../roles/services/blob-store.ts"
import { sha256, swarmIdOf, torrentOf } from "../platform/node-digests.ts"
import { checkSignature, makeSigner } from "../platform/node-signatures.ts"
import type { BlobFolders } from "./blob-folders.ts"
import { hashBlob } from "./blob-tree.ts"
import type { DiskFiles } from "./disk-files.ts"
import type { KeyLock } from "./key-lock.ts"
import type { StoreLimits } from "./limits.ts"
import type { MetainfoFiles } from "./metainfo-files.ts"
import { type KeepHints, makePieceFile, type OpenPieceFile } from "./piece-file.ts"
import { keepPieceHints, readPieceHints } from "./piece-hints.ts"
import { makeRecentPieces } from "./recent-pieces.ts"

export interface PieceFiles {
  readonly open: (metainfo: SwarmInfo) => Effect.Effect<PieceFile, BlobStoreError, Scope.Scope>
  readonly openArrival: (blob: PiecedBlob) => Effect.Effect<ArrivingFile, BlobStoreError, Scope.Scope>
  /** Called under the lock of the digest. Open files are detached; an open download takes no more pieces. */
  readonly detach: (digest: Digest) => void
}

/** What a closed download had. */
interface Verified {
  readonly swarm: SwarmId
  readonly have: Bitfield
  readonly recorded: Bitfield
  readonly hashes: PieceHashes
}

interface Shared {
  readonly open: OpenPieceFile
  readonly pieceFile: PieceFile
  readonly close: Effect.Effect<void>
  users: number
  closed: boolean
}

export const makePieceFiles = (
  files: DiskFiles,
  folders: BlobFolders,
  metainfos: MetainfoFiles,
  lock: KeyLock,
  limits: StoreLimits
): PieceFiles => {
  /** At most one of a digest's files is a download. */
  const opened = new Map<Digest, ReadonlyArray<Shared>>()
  const recent = makeRecentPieces(limits)
  const openedOf = (digest: Digest): ReadonlyArray<Shared> => opened.get(digest) ?? []
  const drop = (digest: Digest, shared: Shared): void => {
    const rest = openedOf(digest).filter((one) => one !== shared)
    if (rest.length === 0) opened.delete(digest)
    else opened.set(digest, rest)
  }
  /** Unfinished downloads that were closed. When this process opens one again, it hashes nothing again. */
  const verified = new BoundedMap<Digest, Verified>(limits.maxClosedDownloadsKept)
  const keepVerified = (digest: Digest, open: OpenPieceFile): void => {
    verified.set(digest, {
      swarm: open.torrent.swarm,
      have: open.have(),
      recorded: open.recorded(),
      hashes: open.hashes
    })
  }

  const complete = (open: OpenPieceFile): Effect.Effect<void, DigestMismatch | BlobStoreError> => {
    const { digest } = open.torrent.metainfo
    const install = Effect.gen(function* () {
      if (open.state() === "complete") return
      if (open.state() === "discarded") return yield* removedMeanwhile(digest)
      const blob = folders.blob(digest)
      const metainfo = finalOf(open)
      // With the hashes of its pieces the blob need not be read before it is served.
      if (pieceCount(metainfo) > 1 || isArrival(open.torrent.metainfo)) {
        yield* metainfos.put(metainfo, open.hashes.layer)
      }
      yield* files.makeFolder(dirname(blob))
      yield* files.installFile(open.path, blob)
      open.setState("complete")
      yield* files.removeFile(folders.pieces(digest))
    })
    const discard = Effect.gen(function* () {
      open.setState("discarded")
      yield* files.removeFile(folders.pieces(digest))
      yield* files.removeFile(open.path)
      if (!isArrival(open.torrent.metainfo)) yield* metainfos.remove(digest)
    })
    return Effect.gen(function* () {
      if (open.state() === "complete") return
      if (open.state() === "discarded") return yield* removedMeanwhile(digest)
      const actual = yield* open.wholeDigest
      if (actual !== digest) {
        yield* Effect.uninterruptible(lock.withKey(digest)(discard))
        return yield* new DigestMismatch({ expected: digest, actual })
      }
      yield* files.sync(open.path, open.file)
      yield* Effect.uninterruptible(lock.withKey(digest)(install))
    }).pipe(open.whileBusy, Semaphore.makeUnsafe(1).withPermits(1))
  }

  const share = (open: OpenPieceFile, descriptors: ReadonlyArray<number>): Shared => ({
    open,
    pieceFile: {
      swarm: open.torrent.swarm,
      metainfo: open.torrent.metainfo,
      have: open.have,
      recorded: open.recorded,
      check: open.check,
      load: open.load,
      store: open.store,
      complete: complete(open)
    },
    close: Effect.forEach(descriptors, (descriptor) => files.close(descriptor), { discard: true }),
    users: 1,
    closed: false
  })

  /** Whether the hashes of all pieces are kept; `hashes` learns them. */
  const areHashesKept = Effect.fnUntraced(function* (metainfo: Metainfo, hashes: VerifiedHashes) {
    if (pieceCount(metainfo) > 1) {
      const layer = yield* metainfos.layer(metainfo.digest)
      return Option.isSome(layer) && hashes.learnLayer(layer.value)
    }
    // The hash of a single piece is the root, so there is no other to keep.
    const kept = yield* metainfos.get(metainfo.digest)
    return Option.isSome(kept) && kept.value.swarm === swarmIdOf(metainfo)
  })

  const openBlob = Effect.fnUntraced(function* (metainfo: Metainfo, length: number) {
    const path = folders.blob(metainfo.digest)
    if (length !== metainfo.length) return yield* otherLength(path, length, metainfo)
    const hashes = new VerifiedHashes(metainfo, metainfo.root, sha256)
    if (!(yield* areHashesKept(metainfo, hashes))) {
      // It was stored by an older version, or by a process that was killed before it wrote the hashes.
      const tree = yield* hashBlob(files, path, metainfo)
      if (!hashes.learnLayer(tree.layer)) return yield* otherRoot(path, tree.metainfo, metainfo)
      yield* metainfos.put(metainfo, tree.layer)
    }
    const torrent = yield* metainfos.put(metainfo)
    const file = yield* files.openUnscoped(path, "read")
    return share(makePieceFile(files.disk, torrent, path, file, hashes, "blob", recent.ofFile()), [file])
  })

  /** What this process knows of the download, if it was open before. */
  const takeVerified = (digest: Digest, swarm: SwarmId): Verified | undefined => {
    const known = verified.get(digest)
    verified.delete(digest)
    return known?.swarm === swarm ? known : undefined
  }

  const openDownload = Effect.fnUntraced(function* (metainfo: Metainfo) {
    const { digest } = metainfo
    const path = folders.download(digest)
    const hintsPath = folders.pieces(digest)
    yield* files.makeFolder(dirname(path))
    yield* files.makeFolder(dirname(hintsPath))
    const before = yield* metainfos.get(digest)
    const torrent = yield* metainfos.put(metainfo)
    const known = takeVerified(digest, torrent.swarm)
    const resumes = Option.isSome(before) && before.value.swarm === torrent.swarm
    if (!resumes) {
      yield* files.removeFile(hintsPath)
      // Another file, because a write of an earlier download may still be on its way into this one.
      yield* files.removeFile(path)
    }
    const hints = resumes ? yield* files.readSmall(hintsPath) : Option.none<Uint8Array>()
    const hashes =
      known?.hashes instanceof VerifiedHashes
        ? known.hashes
        : new VerifiedHashes(metainfo, metainfo.root, sha256)
    const recorded =
      known?.recorded ??
      (Option.isSome(hints) ? readPieceHints(hints.value, pieceCount(metainfo), hashes) : undefined)
    const descriptors: Array<number> = []
    return yield* Effect.gen(function* () {
      const file = yield* files.openUnscoped(path, "update")
      descriptors.push(file)
      yield* files.truncate(path, file, metainfo.length)
      const hintsFile = yield* files.openUnscoped(hintsPath, "update")
      descriptors.push(hintsFile)
      const keepHints: KeepHints = (written, began, ended) =>
        keepPieceHints(files.disk, hintsFile, written, hashes, began, ended)
      const open = makePieceFile(
        files.disk,
        torrent,
        path,
        file,
        hashes,
        "download",
        recent.ofFile(),
        keepHints,
        known?.have,
        recorded
      )
      return share(open, descriptors)
    }).pipe(
      Effect.onError(() =>
        Effect.forEach(descriptors, (descriptor) => files.close(descriptor), { discard: true })
      )
    )
  })

  const openArriving = Effect.fnUntraced(function* (arrival: Arrival) {
    const { digest, length } = arrival
    const torrent = torrentOf(arrival)
    const path = folders.download(digest)
    yield* files.makeFolder(dirname(path))
    const known = takeVerified(digest, torrent.swarm)
    if (known === undefined) {
      yield* files.removeFile(folders.pieces(digest))
      yield* files.removeFile(path)
    }
    const hashes = known?.hashes ?? new VouchedHashes(arrival, arrival.key, checkSignature)
    const file = yield* files.openUnscoped(path, "update")
    return yield* Effect.gen(function* () {
      yield* files.truncate(path, file, length)
      const open = makePieceFile(
        files.disk,
        torrent,
        path,
        file,
        hashes,
        "download",
        recent.ofFile(),
        undefined,
        known?.have
      )
      return share(open, [file])
    }).pipe(Effect.onError(() => files.close(file)))
  })

  const acquire = (metainfo: SwarmInfo): Effect.Effect<Shared, BlobStoreError> =>
    Effect.gen(function* () {
      const { digest } = metainfo
      const swarm = swarmIdOf(metainfo)
      const shared = openedOf(digest).find(({ open }) => open.torrent.swarm === swarm)
      if (shared !== undefined) {
        shared.users++
        return shared
      }
      const other = openedOf(digest).find(({ open }) => open.state() === "downloading")
      if (other !== undefined) {
        if (other.users > 0) return yield* openOtherwise(digest)
        // It is being closed.
        other.open.setState("discarded")
        drop(digest, other)
      }
      const blob = yield* files.stat(folders.blob(digest))
      if (isArrival(metainfo) && Option.isSome(blob)) return yield* arrivedAlready(digest)
      const made = yield* isArrival(metainfo)
        ? openArriving(metainfo)
        : Option.isSome(blob)
          ? openBlob(metainfo, blob.value.length)
          : openDownload(metainfo)
      opened.set(digest, [...openedOf(digest), made])
      return made
    }).pipe(lock.withKey(metainfo.digest))

  const release = (shared: Shared): Effect.Effect<void> => {
    const { digest } = shared.open.torrent.metainfo
    /** Whether there is nothing left to wait for: it is closed, or in use again. */
    const closeIfIdle = Effect.suspend((): Effect.Effect<boolean> => {
      if (shared.users > 0 || shared.closed) return Effect.succeed(true)
      if (!shared.open.isSettled()) return Effect.succeed(false)
      shared.closed = true
      if (openedOf(digest).includes(shared)) {
        drop(digest, shared)
        if (shared.open.state() === "downloading") keepVerified(digest, shared.open)
      }
      return Effect.as(shared.close, true)
    }).pipe(lock.withKey(digest))
    // Waits without the lock, because a running operation may need it (a completion that installs the blob).
    const closeWhenIdle: Effect.Effect<void> = Effect.flatMap(shared.open.settled, () =>
      Effect.flatMap(closeIfIdle, (done) => (done ? Effect.void : closeWhenIdle))
    )
    return Effect.suspend(() => {
      shared.users--
      if (shared.users > 0) return Effect.void
      shared.open.flushHints()
      return closeWhenIdle
    })
  }

  const acquired = (metainfo: SwarmInfo): Effect.Effect<Shared, BlobStoreError, Scope.Scope> =>
    Effect.acquireRelease(acquire(metainfo), release)

  return {
    open: (metainfo) => Effect.map(acquired(metainfo), (shared) => shared.pieceFile),
    openArrival: (blob) =>
      Effect.gen(function* () {
        const { digest, length, pieceLength } = blob
        const signer = makeSigner()
        const metainfo: Arrival = { digest, length, pieceLength, key: signer.key }
        const { open, pieceFile } = yield* acquired(metainfo)
        return {
          ...pieceFile,
          metainfo,
          put: (piece, payload, done) =>
            open.put(piece, payload, (hash) => signer.sign(vouchedText(piece, hash)), done)
        }
      }),
    detach: (digest) => {
      for (const { open } of openedOf(digest)) {
        if (open.state() === "downloading") open.setState("discarded")
      }
      opened.delete(digest)
      verified.delete(digest)
    }
  }
}

/** The metainfo of a complete download; that of an arrival is computed now. */
const finalOf = ({ torrent: { metainfo }, hashes }: OpenPieceFile): Metainfo => {
  if (!isArrival(metainfo)) return metainfo
  const { digest, length, pieceLength } = metainfo
  const { layer } = hashes
  invariant(layer !== undefined, "piece files: an arrival is complete without the hashes of its pieces")
  return { digest, length, pieceLength, root: new Uint8Array(rootOfLayer(metainfo, layer, sha256)) }
}

const removedMeanwhile = (digest: Digest): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message: `cannot complete ${digest}: its download was removed meanwhile`
  })

const openOtherwise = (digest: Digest): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message: `cannot open ${digest}: it is open with other metainfo; close that first`
  })

const arrivedAlready = (digest: Digest): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message: `cannot open ${digest} as a blob that arrives: it is here already`
  })

const otherLength = (path: string, length: number, metainfo: Metainfo): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message: `cannot open ${path} by this metainfo: the blob has ${length} bytes, the metainfo says ${metainfo.length}`
  })

const otherRoot = (path: string, computed: Metainfo, { digest, root }: Metainfo): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message:
      `cannot open ${path} by this metainfo of ${digest}: the tree of the blob has the root ` +
      `${toHex(computed.root)}, the metainfo says ${toHex(root)}`
  })
