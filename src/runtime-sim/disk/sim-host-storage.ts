// The storage of a process: its machine's disk by the names of its folders.

import { Effect } from "effect"
import type { HostStorage } from "../../roles/services/host-storage.ts"
import { SimBlobStore } from "./sim-blob-store.ts"
import { SimTableStore } from "./sim-table-store.ts"
import type { StorageSession } from "./storage-session.ts"

export const makeHostStorage = (session: StorageSession): HostStorage["Service"] => ({
  blobs: (folder) => Effect.sync(() => new SimBlobStore(session, session.disk.folder(folder))),
  tables: (folder) => Effect.sync(() => new SimTableStore(session, session.disk.folder(folder))),
  identity: (folder) => Effect.sync(() => session.disk.identity(folder))
})
