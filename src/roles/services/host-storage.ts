// Decides how a role gets its durable storage: by the name of a data folder. A host may hold several roles, each with
// a folder of its own. What a folder holds survives stop and kill of the host.

import { Context, type Effect, type Scope } from "effect"
import type { BlobStore, BlobStoreError } from "./blob-store.ts"
import type { TableStore, TableStoreError } from "./table-store.ts"

export class HostStorage extends Context.Service<
  HostStorage,
  {
    /** Opens the folder's blob store and makes it consistent: half-written files of a crash are gone or resumable. */
    readonly blobs: (folder: string) => Effect.Effect<BlobStore, BlobStoreError, Scope.Scope>
    readonly tables: (folder: string) => Effect.Effect<TableStore, TableStoreError, Scope.Scope>
    /** A few bytes of unguessable randomness made once and kept in the folder: the seed of the host's peer id. */
    readonly identity: (folder: string) => Effect.Effect<string, BlobStoreError>
  }
>()("shoal/roles/HostStorage") {}
