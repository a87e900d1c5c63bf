// A blob that arrives in files: what an earlier arrival still has on its way to the disk does not reach a later one.

import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import type { ArrivingFile, StoreOutcome } from "../../roles/services/blob-store.ts"
import { digestOf } from "../platform/node-digests.ts"
import { blobFolders } from "./blob-folders.ts"
import { type Disk, nodeDisk } from "./disk.ts"
import { openFileBlobStore } from "./file-blob-store.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-arrivals-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const put = (file: ArrivingFile, bytes: Uint8Array) =>
  Effect.callback<StoreOutcome>((resume) => file.put(0, bytes, (outcome) => resume(Effect.succeed(outcome))))

it.live("a piece that is written late goes into the file of its own arrival", () =>
  Effect.gen(function* () {
    const root = yield* temporaryFolder
    const held: Array<() => void> = []
    let holds = true
    const disk: Disk = {
      ...nodeDisk,
      write: (...args) => {
        if (holds && args[1][0]?.length === 100_000) held.push(() => nodeDisk.write(...args))
        else nodeDisk.write(...args)
      }
    }
    const blobs = yield* openFileBlobStore(disk, root)
    const [wrong, right] = [sampleBytes(1, 100_000), sampleBytes(2, 100_000)]
    const digest = digestOf("sha256", right)
    const blob = { digest, length: right.length, pieceLength: 256 * 1024 }
    const first = yield* Scope.make()
    const before = yield* Scope.provide(blobs.openArrival(blob), first)
    const late = yield* Effect.forkChild(put(before, wrong), { startImmediately: true })
    expect(held.length).toBe(1)
    const closing = yield* Effect.forkChild(Scope.close(first, Exit.void), { startImmediately: true })
    holds = false
    const after = yield* blobs.openArrival(blob)
    expect((yield* put(after, right)).tag).toBe("Stored")
    for (const write of held) write()
    yield* Fiber.join(late)
    yield* Fiber.join(closing)
    yield* after.complete
    expect(Buffer.compare(readFileSync(blobFolders(root).blob(digest)), right)).toBe(0)
  }).pipe(Effect.scoped)
)
