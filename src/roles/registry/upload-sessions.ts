// Upload sessions of a registry. A session belongs to one repository, is written by one request at a time, survives a
// restart, and ends by commit, by abort, or after uploadSessionTimeout without a request.
//
//   begin -> open --append*--> open --commit--> complete blob
//                    |  abort, wrong digest, timeout
//                    +--> gone
//
// Invariants: two requests never write the same upload at the same time. A session is unknown to other repositories.
// The bytes of a request that broke off are kept, so the client can resume after them.

import { Clock, Data, Effect, Exit, type Scope, type Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  type BlobMissing,
  type BlobStat,
  type BlobStoreError,
  type DigestMismatch,
  type UploadOffsetWrong,
  UploadUnknown
} from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { ServiceLimits } from "../services/limits.ts"
import { forEachPage } from "../services/table-pages.ts"
import type { TableStore, TableStoreError } from "../services/table-store.ts"
import type { UploadStore } from "./upload-store.ts"

/** Another request is writing this upload. */
export class UploadBusy extends Data.TaggedError("UploadBusy")<{ readonly upload: string }> {}

/** The limit of open uploads is reached, that of the registry or that of this client. */
export class TooManyUploads extends Data.TaggedError("TooManyUploads")<{
  readonly open: number
  readonly whose: "all" | "client"
}> {}

type Failure = UploadUnknown | UploadBusy | BlobStoreError | TableStoreError

export interface UploadSessions {
  /** `client` is the key of the limit per client. */
  readonly begin: (
    repository: string,
    client: string
  ) => Effect.Effect<string, TooManyUploads | BlobStoreError | TableStoreError>
  /** Bytes of the upload so far. */
  readonly size: (repository: string, upload: string) => Effect.Effect<number, Failure>
  /** Appends at `offset`, or at the end if it is undefined, and returns the new size. */
  readonly append: <E>(
    repository: string,
    upload: string,
    offset: number | undefined,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<number, E | Failure | UploadOffsetWrong>
  /** Ends the session if it makes the complete blob, and if the content does not match the digest. */
  readonly commit: (
    repository: string,
    upload: string,
    digest: Digest
  ) => Effect.Effect<BlobStat, Failure | DigestMismatch | BlobMissing>
  readonly abort: (repository: string, upload: string) => Effect.Effect<void, Failure>
  readonly open: () => number
}

const table = "upload-sessions"

export interface UploadLimits {
  /** Open uploads of all clients and of one client. */
  readonly uploads: number
  readonly uploadsPerClient: number
}

interface Session {
  readonly repository: string
  /** Undefined after a restart; such a session counts for no client. */
  readonly client: string | undefined
  touchedAt: number
}

export const makeUploadSessions = (
  blobs: UploadStore,
  tables: TableStore,
  allowed: UploadLimits
): Effect.Effect<UploadSessions, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { tableScanPage, uploadSessionTimeout } = yield* ServiceLimits
    // Every open session. The table stores only the repository. After a restart all sessions count as touched just
    // then, since their clients may have waited for the restart.
    const sessions = new Map<string, Session>()
    /** Number of sessions per client; a client without sessions has no entry. */
    const held = new Map<string, number>()
    /** Sessions that are being opened; they count before the store has answered. */
    let beginning = 0
    const writing = new Set<string>()

    const restore: Effect.Effect<void, TableStoreError> = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* forEachPage(tables, table, { limit: tableScanPage }, (rows) =>
        Effect.sync(() => {
          for (const { key, value: repository } of rows)
            sessions.set(key, { repository, client: undefined, touchedAt: now })
        })
      )
    })

    const count = (client: string | undefined, change: 1 | -1): void => {
      if (client === undefined) return
      const now = (held.get(client) ?? 0) + change
      if (now === 0) held.delete(client)
      else held.set(client, now)
    }

    const forget = (upload: string) =>
      Effect.andThen(
        Effect.sync(() => {
          const client = sessions.get(upload)?.client
          if (sessions.delete(upload)) count(client, -1)
        }),
        tables.write([{ tag: "Delete", table, key: upload }])
      )

    /** Checks that the session belongs to the repository, and records its use. */
    const touch = (repository: string, upload: string): Effect.Effect<void, UploadUnknown> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const session = sessions.get(upload)
        if (session?.repository !== repository) return Effect.fail(new UploadUnknown({ upload }))
        session.touchedAt = now
        return Effect.void
      })

    /** Runs `work` as the only writer of the upload; records a use before and after. */
    const alone = <A, E>(
      repository: string,
      upload: string,
      work: Effect.Effect<A, E>
    ): Effect.Effect<A, E | UploadUnknown | UploadBusy> =>
      Effect.acquireUseRelease(
        Effect.andThen(
          touch(repository, upload),
          Effect.suspend(() => {
            if (writing.has(upload)) return Effect.fail(new UploadBusy({ upload }))
            writing.add(upload)
            return Effect.void
          })
        ),
        () => work,
        () =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            writing.delete(upload)
            const session = sessions.get(upload)
            if (session !== undefined) session.touchedAt = now
          })
      )

    const drop = (upload: string) =>
      Effect.andThen(
        Effect.catchTag(blobs.abortUpload(upload), "UploadUnknown", () => Effect.void),
        forget(upload)
      )

    const expire = Effect.gen(function* () {
      const before = (yield* Clock.currentTimeMillis) - uploadSessionTimeout / 1_000
      for (const [upload, session] of [...sessions]) {
        if (writing.has(upload) || session.touchedAt > before) continue
        yield* drop(upload)
        yield* Effect.annotateLogs(Effect.logInfo("dropped an abandoned upload"), {
          upload,
          repository: session.repository
        })
      }
    }).pipe(Effect.catch((error) => Effect.logError("cannot drop abandoned uploads:", error)))

    const open = Effect.fnUntraced(function* (repository: string, client: string) {
      const upload = yield* blobs.createUpload
      const touchedAt = yield* Clock.currentTimeMillis
      yield* tables
        .write([{ tag: "Put", table, key: upload, value: repository }])
        .pipe(Effect.onError(() => Effect.ignore(blobs.abortUpload(upload))))
      sessions.set(upload, { repository, client, touchedAt })
      return upload
    }, Effect.uninterruptible)

    yield* restore
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(expire, Effect.sleep(toDuration(uploadSessionTimeout / 24))))
    )

    return {
      open: () => sessions.size,
      begin: (repository, client) =>
        Effect.gen(function* () {
          const own = held.get(client) ?? 0
          if (sessions.size + beginning >= allowed.uploads) {
            return yield* new TooManyUploads({ open: sessions.size, whose: "all" })
          }
          if (own >= allowed.uploadsPerClient) {
            return yield* new TooManyUploads({ open: own, whose: "client" })
          }
          return yield* Effect.acquireUseRelease(
            Effect.sync(() => {
              beginning++
              count(client, 1)
            }),
            () => open(repository, client),
            (_, exit) =>
              Effect.sync(() => {
                beginning--
                if (Exit.isFailure(exit)) count(client, -1)
              })
          )
        }),
      size: (repository, upload) => Effect.andThen(touch(repository, upload), blobs.uploadSize(upload)),
      append: (repository, upload, offset, bytes) =>
        alone(
          repository,
          upload,
          Effect.flatMap(offset === undefined ? blobs.uploadSize(upload) : Effect.succeed(offset), (at) =>
            blobs.appendUpload(upload, at, bytes)
          )
        ),
      commit: (repository, upload, digest) =>
        alone(
          repository,
          upload,
          blobs.commitUpload(upload, digest).pipe(
            Effect.tap(() => forget(upload)),
            Effect.tapError((error) => (error._tag === "DigestMismatch" ? forget(upload) : Effect.void))
          )
        ),
      abort: (repository, upload) => alone(repository, upload, drop(upload))
    }
  })
