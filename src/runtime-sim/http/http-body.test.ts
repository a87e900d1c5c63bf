// The two halves of a body: credit that bounds what is sent, a reader that stops, and ends that break.

import { Effect, Exit, Fiber, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { BodyInbox, BodyOutbox } from "./http-body.ts"

const KiB = 1024
const window = 1024 * KiB
const chunkOf = (bytes: number) => new Uint8Array(bytes)
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const writing = (chunks: readonly number[]) => {
  const sent: number[] = []
  const outbox = new BodyOutbox((chunk) => sent.push(chunk.byteLength))
  const fiber = Effect.runFork(outbox.write(Stream.fromIterable(chunks.map(chunkOf))))
  return { sent, outbox, fiber }
}

describe("the sending half", () => {
  it("cuts chunks to 256 KiB and stops after a window, until credit comes", async () => {
    const { sent, outbox, fiber } = writing([window + 300 * KiB])
    await Effect.runPromise(turn)
    expect(sent).toEqual([256, 256, 256, 256].map((size) => size * KiB))
    outbox.credit(256 * KiB)
    await Effect.runPromise(turn)
    expect(sent.at(-1)).toBe(256 * KiB)
    expect(sent).toHaveLength(5)
    outbox.credit(256 * KiB)
    expect(Exit.isSuccess(await Effect.runPromise(Fiber.await(fiber)))).toBe(true)
    expect(sent.at(-1)).toBe(44 * KiB)
  })

  it("sends a small chunk as the object that it is", async () => {
    const chunk = chunkOf(5)
    const sent: Uint8Array[] = []
    await Effect.runPromise(new BodyOutbox((bytes) => sent.push(bytes)).write(Stream.succeed(chunk)))
    expect(sent).toHaveLength(1)
    expect(sent[0]).toBe(chunk)
  })

  it("fails with the first reason when it breaks, also while it waits for credit", async () => {
    const { outbox, fiber } = writing([window, 1])
    await Effect.runPromise(turn)
    outbox.break("the peer went")
    outbox.break("later")
    const exit = await Effect.runPromise(Fiber.await(fiber))
    expect(Exit.isFailure(exit) && String(exit.cause)).toContain("the peer went")
  })
})

describe("the receiving half", () => {
  const reading = () => {
    const credit: number[] = []
    const ends: string[] = []
    const inbox = new BodyInbox(
      (bytes) => credit.push(bytes),
      () => ends.push("finished")
    )
    const stream = inbox.stream(() => ends.push("abandoned"))
    return { inbox, credit, ends, stream }
  }

  it("returns credit in steps of 256 KiB, and none when the body has ended", async () => {
    const { inbox, credit, ends, stream } = reading()
    const fiber = Effect.runFork(
      Stream.runFold(
        stream,
        () => 0,
        (sum, chunk) => sum + chunk.byteLength
      )
    )
    inbox.push(chunkOf(255 * KiB))
    await Effect.runPromise(turn)
    expect(credit).toEqual([])
    inbox.push(chunkOf(KiB))
    await Effect.runPromise(turn)
    expect(credit).toEqual([256 * KiB])
    inbox.push(chunkOf(300 * KiB))
    inbox.end()
    expect(await Effect.runPromise(Fiber.join(fiber))).toBe(556 * KiB)
    expect(credit).toEqual([256 * KiB, 300 * KiB])
    expect(ends).toContain("finished")
    expect(ends).not.toContain("abandoned")
  })

  it("returns no credit for a body that has ended", async () => {
    const { inbox, credit, ends, stream } = reading()
    inbox.push(chunkOf(300 * KiB))
    inbox.end()
    await Effect.runPromise(Stream.runDrain(stream))
    expect(credit).toEqual([])
    expect(ends).toContain("finished")
  })

  it("gives what came before a break, and then fails with the reason", async () => {
    const { inbox, ends, stream } = reading()
    inbox.push(chunkOf(3))
    inbox.break("cut")
    inbox.push(chunkOf(9))
    let read = 0
    const exit = await Effect.runPromise(
      Effect.exit(Stream.runForEach(stream, (chunk) => Effect.sync(() => (read += chunk.byteLength))))
    )
    expect(read).toBe(3)
    expect(Exit.isFailure(exit) && String(exit.cause)).toContain("cut")
    expect(inbox.ended).toBe(false)
    expect(ends).toEqual(["abandoned"])
  })

  it("is not broken any more once it has ended", async () => {
    const { inbox, stream } = reading()
    inbox.end()
    inbox.break("too late")
    expect(await Effect.runPromise(Stream.runCollect(stream))).toEqual([])
  })

  it("hears that its reader left early", async () => {
    const { inbox, ends, stream } = reading()
    inbox.push(chunkOf(1))
    inbox.push(chunkOf(1))
    await Effect.runPromise(Stream.runDrain(Stream.take(stream, 1)))
    expect(ends).toEqual(["abandoned"])
  })
})
