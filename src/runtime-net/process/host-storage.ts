// The data folders of a host: each name that a role gives, under one root, has blobs/ and the other folders of a store,
// a table file, and the identity of the host. It does not know which role asks.

import { randomBytes } from "node:crypto"
import { join, resolve } from "node:path"
import { Effect, Layer, Option } from "effect"
import type { BlobStore } from "../../roles/services/blob-store.ts"
import { HostStorage } from "../../roles/services/host-storage.ts"
import { TableStoreError } from "../../roles/services/table-store.ts"
import { type Disk, nodeDisk } from "../store/disk.ts"
import { makeDiskFiles } from "../store/disk-files.ts"
import { openFileBlobStore } from "../store/file-blob-store.ts"
import { holdFolder } from "../store/folder-lock.ts"
import { makeKeyLock } from "../store/key-lock.ts"
import { openSqliteTableStore } from "../tables/sqlite-table-store.ts"

export interface HostStorageOptions {
  /** Parent of relative folder names; the working directory when absent. */
  readonly root?: string
  /** A disk in place of this machine's: one that can be fenced, or that fails. */
  readonly disk?: Disk
  /** Called before every write to a table; a message that it returns makes the write fail. */
  readonly tablesClosed?: () => string | undefined
  /** Wraps each blob store that is opened. */
  readonly wrapBlobs?: (store: BlobStore) => BlobStore
}

const identityBytes = 32
const identityPattern = /^[0-9a-f]{64}$/

export const hostStorage = (options: HostStorageOptions = {}): Layer.Layer<HostStorage> => {
  const disk = options.disk ?? nodeDisk
  const files = makeDiskFiles(disk)
  const lock = makeKeyLock()
  const pathOf = (folder: string): string => resolve(options.root ?? ".", folder)

  /** Made once, so that two callers at the same time do not see two. */
  const identity = Effect.fnUntraced(function* (folder: string) {
    const path = join(pathOf(folder), "identity")
    yield* files.makeFolder(pathOf(folder))
    const kept = yield* files.readSmall(path)
    if (Option.isSome(kept)) {
      const seed = new TextDecoder().decode(kept.value).trim()
      if (identityPattern.test(seed)) return seed
    }
    const seed = randomBytes(identityBytes).toString("hex")
    yield* files.makeFolder(join(pathOf(folder), "temporary"))
    yield* files.replaceFile(path, new TextEncoder().encode(`${seed}\n`), join(pathOf(folder), "temporary"))
    return seed
  })

  return Layer.succeed(HostStorage, {
    blobs: (folder, use) =>
      Effect.gen(function* () {
        yield* files.makeFolder(pathOf(folder))
        yield* holdFolder(pathOf(folder))
        const store = yield* openFileBlobStore(disk, pathOf(folder), use)
        return options.wrapBlobs?.(store) ?? store
      }),
    // SQLite syncs the names in the folder; the name of the folder itself is synced here.
    tables: (folder) =>
      files.makeFolder(pathOf(folder)).pipe(
        Effect.mapError(({ message }) => new TableStoreError({ message })),
        Effect.andThen(openSqliteTableStore(pathOf(folder), options.tablesClosed))
      ),
    identity: (folder) => lock.withKey(folder)(identity(folder))
  })
}
