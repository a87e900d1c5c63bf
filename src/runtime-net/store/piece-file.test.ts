// Tests of one open blob over a disk whose calls end when the test says so: what is verified, what is written once,
// what fails, and when the file counts as idle.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { sampleBytes } from "../../../testing/conformance/conformance.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { testTree } from "../../../testing/roles/test-trees.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import type { LoadOutcome, StoreOutcome } from "../../roles/services/blob-store.ts"
import { digestOf, sha256, torrentOf } from "../platform/node-digests.ts"
import type { Disk, DiskDone } from "./disk.ts"
import { storeLimits } from "./limits.ts"
import { type KeepHints, makePieceFile } from "./piece-file.ts"
import { keepPieceHints } from "./piece-hints.ts"
import { makeRecentPieces, type RecentPiecesOfFile } from "./recent-pieces.ts"

const pieceLength = 16 * 1024
const content = sampleBytes(1, 2.5 * pieceLength)
const pieceOf = (piece: number) => content.slice(piece * pieceLength, (piece + 1) * pieceLength)

const { metainfo, proof, layer } = testTree(digestOf, content, pieceLength)
const torrent = torrentOf(metainfo)

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })

/** A file in memory. Calls on it end in order, each when `end` is called, or at once when `prompt`. */
const memoryDisk = (prompt: boolean) => {
  const medium = new Uint8Array(content.length)
  const state = { length: content.length, error: null as NodeJS.ErrnoException | null }
  const writes: number[] = []
  const hints: number[] = []
  const calls: Array<() => void> = []
  const later = (call: () => void): void => {
    if (prompt) setImmediate(call)
    else calls.push(call)
  }
  const disk = {
    read: (_: number, target: Uint8Array, position: number, done: DiskDone<number>) =>
      later(() => {
        const bytes = medium.subarray(position, Math.min(state.length, position + target.length))
        target.set(bytes)
        done(state.error, bytes.length)
      }),
    write: (file: number, chunks: ReadonlyArray<Uint8Array>, position: number, done: DiskDone<void>) => {
      if (file === 2) hints.push(chunks[0]![0]!)
      else writes.push(position)
      later(() => {
        if (state.error === null && file === 1) medium.set(Buffer.concat(chunks), position)
        done(state.error)
      })
    }
  } as Partial<Disk> as Disk
  const end = (): void => calls.shift()!()
  return { disk, medium, state, writes, hints, calls, end }
}

/** A download, or a complete blob when `whole`. */
const opened = ({
  prompt = true,
  whole = false,
  verified = undefined as Bitfield | undefined,
  recorded = undefined as Bitfield | undefined,
  recent = { take: () => undefined, keep: () => {} } as RecentPiecesOfFile
} = {}) => {
  const memory = memoryDisk(prompt)
  const hashes = new VerifiedHashes(metainfo, metainfo.root, sha256)
  // The hashes of a complete blob, of verified pieces and of recorded ones are known.
  if (whole || verified !== undefined || recorded !== undefined) hashes.learnLayer(layer)
  const keepHints: KeepHints | undefined = whole
    ? undefined
    : (written, began, ended) => keepPieceHints(memory.disk, 2, written, hashes, began, ended)
  const as = whole ? "blob" : "download"
  const file = makePieceFile(
    memory.disk,
    torrent,
    "/data/x",
    1,
    hashes,
    as,
    recent,
    keepHints,
    verified,
    recorded
  )
  const store = (piece: number, bytes = pieceOf(piece)) =>
    new Promise<StoreOutcome>((resolve) => file.store(piece, bytes, proof(piece), resolve))
  const load = (piece: number) => new Promise<LoadOutcome>((resolve) => file.load(piece, resolve))
  return { ...memory, file, store, load }
}

const tagAndMessage = (outcome: StoreOutcome | LoadOutcome) =>
  outcome.tag === "Failed" ? [outcome.tag, outcome.error.reason, outcome.error.message] : [outcome.tag]

describe("an open download", () => {
  it("has what is stored, and hints at it", async () => {
    const { file, store, load, writes, hints } = opened()
    expect(file.state()).toBe("downloading")
    expect((await store(2)).tag).toBe("Stored")
    expect(writes).toEqual([2 * pieceLength])
    expect(hints).toEqual([...file.have().toBytes()])
    expect([0, 1, 2].map((piece) => file.have().has(piece))).toEqual([false, false, true])
    expect(await load(2)).toMatchObject({ tag: "Loaded", payload: pieceOf(2), proof: proof(2) })
  })

  it("keeps what came in memory, and reads for several who ask at once only once", async () => {
    const kept = new Map<number, Uint8Array>()
    const recent: RecentPiecesOfFile = {
      take: (piece) => kept.get(piece),
      keep: (piece, bytes) => {
        kept.set(piece, bytes)
      }
    }
    const { file, store, load, medium, calls, end } = opened({ recent, prompt: false })
    const stored = store(2)
    end()
    await stored
    medium.fill(0, 2 * pieceLength)
    expect(await load(2)).toMatchObject({ tag: "Loaded", payload: pieceOf(2) })
    const other = opened({ whole: true, prompt: false })
    other.medium.set(pieceOf(1), pieceLength)
    const [first, second] = [other.load(1), other.load(1)]
    expect(other.calls).toHaveLength(1)
    other.end()
    expect(await first).toMatchObject({ tag: "Loaded", payload: pieceOf(1) })
    expect(await second).toMatchObject({ tag: "Loaded", payload: pieceOf(1) })
    expect(other.file.isSettled()).toBe(true)
    expect([file.have().has(2), kept.size]).toEqual([true, 1])
    for (const call of calls) call()
  })

  it("stores nothing of another length or other bytes", async () => {
    const { file, store, writes } = opened()
    const wrong = pieceOf(0)
    wrong[9]! ^= 1
    for (const bytes of [
      wrong,
      pieceOf(1),
      pieceOf(0).slice(0, 9),
      new Uint8Array(pieceLength + 1),
      new Uint8Array(0)
    ]) {
      expect(await store(0, bytes)).toEqual({ tag: "Corrupt" })
    }
    expect(writes).toEqual([])
    expect(file.have().has(0)).toBe(false)
  })

  it("writes a piece once, however often it arrives", async () => {
    const { store, writes, calls, end } = opened({ prompt: false })
    const both = Promise.all([store(1), store(1)])
    expect(writes).toEqual([pieceLength])
    end()
    expect(await both).toEqual([{ tag: "Stored" }, { tag: "Stored" }])
    expect(await store(1)).toEqual({ tag: "Stored" })
    expect(writes).toEqual([pieceLength])
    // The hints.
    expect(calls).toHaveLength(1)
  })

  it("does not have a piece that could not be written, and writes it when it arrives again", async () => {
    const { file, store, state, writes, hints } = opened()
    state.error = failure("ENOSPC")
    const [tag, reason, message] = tagAndMessage(await store(0))
    expect([tag, reason]).toEqual(["Failed", "full"])
    expect(message).toContain("write piece 0 of /data/x")
    expect(file.have().has(0)).toBe(false)
    expect(hints).toEqual([])
    state.error = null
    expect(await store(0)).toEqual({ tag: "Stored" })
    expect(writes).toEqual([0, 0])
  })

  it("does not load what it lacks, what the disk fails to read, and what the file is too short for", async () => {
    const { store, load, state } = opened()
    await store(0)
    expect(tagAndMessage(await load(1))).toEqual(["Failed", "io", expect.stringContaining("not there")])
    state.error = failure("EIO")
    expect(tagAndMessage(await load(0))).toEqual(["Failed", "io", expect.stringContaining("read piece 0")])
    state.error = null
    state.length = pieceLength - 1
    expect(tagAndMessage(await load(0))).toEqual(["Failed", "io", expect.stringContaining("too short")])
    state.length = pieceLength
    expect((await load(0)).tag).toBe("Loaded")
  })

  it("takes and gives nothing once it is discarded, and a complete one stays readable", async () => {
    const { file, store, load } = opened()
    await store(0)
    file.setState("complete")
    expect((await load(0)).tag).toBe("Loaded")
    file.setState("discarded")
    expect(file.state()).toBe("discarded")
    expect(tagAndMessage(await load(0))).toEqual(["Failed", "io", expect.stringContaining("not there")])
    expect(tagAndMessage(await store(1))).toEqual(["Failed", "io", expect.stringContaining("removed")])
  })

  it("answers every call later, also one that it refuses", async () => {
    const { file } = opened()
    let answers = 0
    const count = () => answers++
    file.load(0, count)
    file.store(0, new Uint8Array(1), proof(0), count)
    file.setState("discarded")
    file.store(0, pieceOf(0), proof(0), count)
    expect(answers).toBe(0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(answers).toBe(3)
  })

  it("does not serve what a failed check has read, once the piece came again", async () => {
    const recent = makeRecentPieces(storeLimits).ofFile()
    const { file, medium } = opened({ recorded: Bitfield.full(3), recent })
    medium.set(content)
    medium[pieceLength + 5]! ^= 1
    const store = (piece: number) =>
      new Promise<StoreOutcome>((resolve) => file.store(piece, pieceOf(piece), proof(piece), resolve))
    expect(await new Promise<boolean>((resolve) => file.check(1, resolve))).toBe(false)
    for (const piece of [1, 0, 2]) expect((await store(piece)).tag).toBe("Stored")
    const loaded = await new Promise<LoadOutcome>((resolve) => file.load(1, resolve))
    expect(loaded.tag === "Loaded" && Buffer.compare(loaded.payload as Uint8Array, pieceOf(1))).toBe(0)
    expect(await Effect.runPromise(file.wholeDigest)).toBe(metainfo.digest)
  })

  it("counts a piece of an earlier process only when its hash is right", async () => {
    const recorded = Bitfield.full(3)
    const { file, medium } = opened({ recorded })
    const check = (piece: number, { check } = file) =>
      new Promise<boolean>((resolve) => check(piece, resolve))
    medium.set(content)
    medium[pieceLength + 5]! ^= 1
    expect([await check(0), await check(1), await check(2)]).toEqual([true, false, true])
    expect([0, 1, 2].map((piece) => file.have().has(piece))).toEqual([true, false, true])
    expect([0, 1, 2].map((piece) => file.recorded().has(piece))).toEqual([false, false, false])
    const broken = opened({ recorded })
    broken.medium.set(content)
    broken.state.error = failure("EIO")
    expect(await check(0, broken.file)).toBe(false)
    expect(broken.file.have().has(0)).toBe(false)
  })

  it("begins with the pieces that this process verified before, and gives out copies", () => {
    const verified = new Bitfield(3)
    verified.set(1)
    const { file } = opened({ verified })
    expect(file.have().has(1)).toBe(true)
    file.have().set(0)
    verified.set(2)
    expect([0, 1, 2].map((piece) => file.have().has(piece))).toEqual([false, true, false])
  })

  it.effect("has the digest of the whole blob once every piece is stored in any order", () =>
    Effect.gen(function* () {
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 2, 0]
      ]) {
        const { file, store } = opened()
        for (const piece of order) yield* Effect.promise(() => store(piece))
        expect(yield* file.wholeDigest).toBe(metainfo.digest)
        expect(yield* file.wholeDigest).toBe(metainfo.digest)
      }
    })
  )

  it.effect("computes the digest anew after a read failed", () =>
    Effect.gen(function* () {
      const { file, medium, state } = opened({ whole: true })
      medium.set(content)
      state.error = failure("EIO")
      expect((yield* Effect.flip(file.wholeDigest)).message).toContain("read piece 0")
      state.error = null
      expect(yield* file.wholeDigest).toBe(metainfo.digest)
    })
  )

  it.effect("is settled when no read, no write and no other work is running", () =>
    Effect.gen(function* () {
      const { file, store, load, end } = opened({ prompt: false })
      yield* file.settled
      expect(file.isSettled()).toBe(true)
      const stored = store(0)
      expect(file.isSettled()).toBe(false)
      const waiting = yield* Effect.forkChild(file.settled)
      end()
      yield* Effect.promise(() => stored)
      yield* settle
      // The hints are being written.
      expect(file.isSettled()).toBe(false)
      expect(waiting.pollUnsafe()).toBeUndefined()
      end()
      yield* Fiber.join(waiting)
      expect(file.isSettled()).toBe(true)
      const loaded = load(0)
      expect(file.isSettled()).toBe(false)
      end()
      yield* Effect.promise(() => loaded)
      expect(file.isSettled()).toBe(true)
      expect(yield* file.whileBusy(Effect.sync(() => file.isSettled()))).toBe(false)
      yield* Effect.exit(file.whileBusy(Effect.fail("any")))
      expect(file.isSettled()).toBe(true)
    })
  )
})

it("a complete blob has every piece and keeps no hints", async () => {
  const { file, load, medium, hints } = opened({ whole: true })
  medium.set(content)
  expect(file.state()).toBe("complete")
  expect(file.have().isFull).toBe(true)
  expect((await load(2)).tag).toBe("Loaded")
  expect(hints).toEqual([])
})
