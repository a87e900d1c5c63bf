// Tests of the blob store that reports its use: every call reaches the store below, and each use and change is reported
// at the right moment.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import {
  type BlobStore,
  BlobStoreError,
  DigestMismatch,
  type PieceFile,
  type StoreOutcome
} from "../services/blob-store.ts"
import { meteredBlobs } from "./metered-blobs.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const metainfo: Metainfo = { digest, length: 10, pieceLength: 4, root: new Uint8Array(32) }
const failure = new BlobStoreError({ reason: "io", message: "no disk" })

/** A metered store over one whose every call is logged, with the reports of use in the same log. */
const scene = () => {
  const log: string[] = []
  const script = {
    answer: Effect.void as Effect.Effect<unknown, BlobStoreError | DigestMismatch>,
    stored: { tag: "Stored" } as StoreOutcome
  }
  const say = (text: string) => Effect.sync(() => void log.push(text))
  const logged = (name: string) => () => Effect.andThen(say(name), script.answer)
  const file = {
    swarm: "1".repeat(64) as SwarmId,
    metainfo,
    have: () => Bitfield.full(3),
    recorded: () => new Bitfield(3),
    check: (piece: number, done: (isThere: boolean) => void) => {
      log.push(`check ${piece}`)
      done(true)
    },
    load: (piece: number, done: (outcome: unknown) => void) => {
      log.push(`load ${piece}`)
      done({ tag: "Loaded", payload: new Uint8Array(1) })
    },
    store: (piece: number, _: unknown, __: unknown, done: (outcome: StoreOutcome) => void) => {
      log.push(`store ${piece}`)
      done(script.stored)
    },
    complete: Effect.suspend(() => Effect.andThen(say("complete"), script.answer))
  } as unknown as PieceFile
  const below = {
    read: () => Stream.fromEffect(Effect.as(say("read"), new Uint8Array(1))),
    remove: logged("remove"),
    commitUpload: logged("commit"),
    makeMetainfo: logged("make metainfo"),
    putMetainfo: logged("put metainfo"),
    openPieces: () => Effect.acquireRelease(Effect.as(say("open"), file), () => say("close"))
  } as unknown as BlobStore
  const blobs = meteredBlobs(below, {
    hold: () => Effect.acquireRelease(say("hold"), () => say("release")),
    grew: (_, bytes) => log.push(`grew by ${bytes}`),
    touched: () => log.push("touched"),
    completed: () => log.push("completed"),
    changed: (changed) => log.push(changed === digest ? "changed" : "changed another")
  })
  return { blobs, log, script }
}

describe("a metered blob store", () => {
  it.effect("holds a blob for as long as it is read", () =>
    Effect.gen(function* () {
      const { blobs, log } = scene()
      yield* Stream.runDrain(blobs.read(digest, 0, 1))
      expect(log).toEqual(["hold", "read", "release"])
    })
  )

  it.effect("reports a change after each call that may change a blob, failed or not", () =>
    Effect.gen(function* () {
      for (const answer of [Effect.void, Effect.fail(failure)]) {
        const { blobs, log, script } = scene()
        script.answer = answer
        yield* Effect.exit(blobs.remove(digest))
        yield* Effect.exit(blobs.commitUpload("id", digest))
        yield* Effect.exit(blobs.makeMetainfo(digest, 4))
        yield* Effect.exit(blobs.putMetainfo(metainfo))
        expect(log).toEqual([
          ...["remove", "changed", "commit", "changed"],
          ...["make metainfo", "changed", "put metainfo", "changed"]
        ])
      }
    })
  )

  it.effect("reports the pieces of an open file, and a change after it is closed", () =>
    Effect.gen(function* () {
      const { blobs, log, script } = scene()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* blobs.openPieces(metainfo)
          expect([file.metainfo, file.swarm, file.have().isFull]).toEqual([metainfo, "1".repeat(64), true])
          expect(file.recorded().count).toBe(0)
          file.check(2, (isThere) => log.push(`is there: ${isThere}`))
          const proof = new Uint8Array(64)
          file.load(1, () => log.push("loaded"))
          file.store(0, new Uint8Array(4), proof, () => log.push("stored"))
          file.store(2, new Uint8Array(2), proof, () => {})
          script.stored = { tag: "Corrupt" }
          file.store(1, new Uint8Array(4), proof, ({ tag }) => log.push(tag))
        })
      )
      expect(log).toEqual([
        ...["open", "check 2", "is there: true", "touched", "load 1", "loaded"],
        ...["store 0", "grew by 4", "stored", "store 2", "grew by 2", "store 1", "Corrupt"],
        ...["close", "changed"]
      ])
    })
  )

  it.effect("reports that a download completed if its digest is right, and a change in any case", () =>
    Effect.gen(function* () {
      const { blobs, log, script } = scene()
      const complete = Effect.scoped(
        Effect.flatMap(blobs.openPieces(metainfo), (file) => Effect.exit(file.complete))
      )
      yield* complete
      expect(log).toEqual(["open", "complete", "completed", "changed", "close", "changed"])
      log.length = 0
      script.answer = Effect.fail(new DigestMismatch({ expected: digest, actual: digest }))
      yield* complete
      expect(log).toEqual(["open", "complete", "changed", "close", "changed"])
    })
  )
})
