// Tests of the gathering writer over a disk whose writes end when the test says so.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { settle } from "../../../testing/roles/settle.ts"
import { writeBehind } from "./append-writer.ts"
import type { Disk, DiskDone } from "./disk.ts"

const bytes = (text: string) => Buffer.from(text)

/** A writer from offset 100 on, whose callers wait at 6 gathered bytes. */
const staged = () => {
  const writes: string[] = []
  const open: Array<DiskDone<void>> = []
  const write: Disk["write"] = (file, chunks, position, done) => {
    writes.push(`${file} ${position} ${Buffer.concat(chunks)}`)
    open.push(done)
  }
  const writer = writeBehind({ write } as Partial<Disk> as Disk, "/data/upload", 3, 100, 6)
  const end = (error: NodeJS.ErrnoException | null = null) => open.shift()!(error)
  return { writer, writes, open, end }
}

const full = Object.assign(new Error("no room"), { code: "ENOSPC" })

describe("a writer", () => {
  it.effect("writes the first chunk at once, and what arrives meanwhile together", () =>
    Effect.gen(function* () {
      const { writer, writes, end } = staged()
      for (const text of ["ab", "c", "de"]) expect(writer.offer(bytes(text))).toBeUndefined()
      expect(writes).toEqual(["3 100 ab"])
      expect(writer.written()).toBe(100)
      end()
      expect(writer.written()).toBe(102)
      expect(writes).toEqual(["3 100 ab", "3 102 cde"])
      end()
      expect(writer.written()).toBe(105)
      yield* writer.flush
      expect(writes).toHaveLength(2)
      writer.offer(bytes("f"))
      expect(writes.at(-1)).toBe("3 105 f")
    })
  )

  it.effect("lets the caller wait for one write once so many bytes are gathered", () =>
    Effect.gen(function* () {
      const { writer, end } = staged()
      expect(writer.offer(bytes("a long chunk is written and not gathered"))).toBeUndefined()
      expect(writer.offer(bytes("12345"))).toBeUndefined()
      const wait = writer.offer(bytes("6"))
      expect(wait).toBeDefined()
      const waiting = yield* Effect.forkChild(wait!)
      yield* settle
      expect(waiting.pollUnsafe()).toBeUndefined()
      end()
      yield* Fiber.join(waiting)
      // The gathered bytes are in the next write and no longer count.
      expect(writer.offer(bytes("12345"))).toBeUndefined()
    })
  )

  it.effect("is flushed when everything that was offered is written", () =>
    Effect.gen(function* () {
      const { writer, end } = staged()
      writer.offer(bytes("ab"))
      writer.offer(bytes("c"))
      const flushing = yield* Effect.forkChild(writer.flush)
      yield* settle
      end()
      yield* settle
      expect(flushing.pollUnsafe()).toBeUndefined()
      end()
      yield* Fiber.join(flushing)
      expect(writer.written()).toBe(103)
    })
  )

  it.effect("fails every wait and every later offer after a failed write, and writes nothing more", () =>
    Effect.gen(function* () {
      const { writer, writes, end } = staged()
      writer.offer(bytes("ab"))
      const waiting = yield* Effect.forkChild(Effect.flip(writer.offer(bytes("cdefgh"))!))
      const flushing = yield* Effect.forkChild(Effect.flip(writer.flush))
      yield* settle
      end(full)
      for (const fiber of [waiting, flushing]) {
        const error = yield* Fiber.join(fiber)
        expect(error.reason).toBe("full")
        expect(error.message).toContain("/data/upload")
      }
      expect((yield* Effect.flip(writer.offer(bytes("i"))!)).reason).toBe("full")
      expect((yield* Effect.flip(writer.flush)).reason).toBe("full")
      expect(writes).toEqual(["3 100 ab"])
      expect(writer.written()).toBe(100)
    })
  )
})
