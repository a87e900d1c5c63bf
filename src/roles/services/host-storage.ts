// Host storage service: durable storage by the name of a data folder. A host may run several roles, each with a
// folder of its own. The content of a folder survives a stop and a kill of the host.

import { Context, type Effect, type Scope } from "effect"
import type { BlobStore, BlobStoreError } from "./blob-store.ts"
import type { TableStore, TableStoreError } from "./table-store.ts"

/** What a role does with its store. It changes what the store costs, not what it answers. */
export interface BlobStoreUse {
  /** The metainfo of uploads is made soon: their hash trees are computed while they come, with their digests. */
  readonly seedsUploads?: boolean
}

export class HostStorage extends Context.Service<
  HostStorage,
  {
    /** Opens the blob store of a folder and repairs it: files half written at a crash are removed or resumable. */
    readonly blobs: (
      folder: string,
      use?: BlobStoreUse
    ) => Effect.Effect<BlobStore, BlobStoreError, Scope.Scope>
    readonly tables: (folder: string) => Effect.Effect<TableStore, TableStoreError, Scope.Scope>
    /** Unguessable random text, made once and stored in the folder; the seed of the host's peer id. */
    readonly identity: (folder: string) => Effect.Effect<string, BlobStoreError>
  }
>()("shoal/roles/HostStorage") {}
