// The uploader under arbitrary calls, against what must hold of a queue.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { counts, loadedBytes, setUpUploader as setUp } from "../../../testing/protocol/test-uploader.ts"
import type { Neighbour } from "./neighbour.ts"

describe("the uploader under arbitrary calls", () => {
  type Call =
    | { readonly tag: "request" | "cancel" | "leave" | "lose"; readonly from: number; readonly piece: number }
    | { readonly tag: "loaded" | "failed" | "sent" | "wait"; readonly pick: number }
  const call: fc.Arbitrary<Call> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ tag: fc.constant("request"), from: fc.nat(5), piece: fc.nat(3) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        tag: fc.constantFrom("cancel", "leave", "lose"),
        from: fc.nat(5),
        piece: fc.nat(3)
      })
    },
    {
      weight: 6,
      arbitrary: fc.record({
        tag: fc.constantFrom("loaded", "loaded", "failed", "sent", "sent", "wait"),
        pick: fc.nat()
      })
    }
  )
  const rules = { maxUploadQueue: 4, maxUploadsInFlight: 2, maxUploadBytes: 5000 }

  it("answers every request once, keeps its bounds, and never loads a piece twice at a time", () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120 }), (calls) => {
        const { context, uploader, swarms, neighbours, enqueue } = setUp(rules)
        /** What is owed to "neighbour piece"; the swarm is that of the neighbour's parity. */
        const owed = new Map<string, Neighbour>()
        let loads: Array<readonly [number, number]> = []
        let out: Array<readonly [number, number]> = []
        const answered = (connection: number, piece: number): void => {
          expect(owed.delete(`${connection} ${piece}`)).toBe(true)
        }
        for (const one of calls) {
          const pick = <A>(from: readonly A[]): A | undefined =>
            "pick" in one && from.length > 0 ? from[one.pick % from.length] : undefined
          if (one.tag === "request") {
            const swarm = swarms[(one.from % 2) as 0 | 1]
            const room = uploader.hasRoom(1000, neighbours[one.from]!) || uploader.makeRoomFor(swarm, 1000)
            if (room && !uploader.has(neighbours[one.from]!, one.piece)) {
              owed.set(`${one.from} ${one.piece}`, neighbours[one.from]!)
              enqueue(one.from, one.piece, { swarm: one.from % 2 })
            }
          } else if (one.tag === "cancel") uploader.cancel(neighbours[one.from]!, one.piece)
          else if (one.tag === "leave") uploader.channelClosed(neighbours[one.from]!, true)
          else if (one.tag === "lose") {
            uploader.disconnected(neighbours[one.from]!.session)
            for (const key of owed.keys()) if (key.startsWith(`${one.from} `)) owed.delete(key)
            out = out.filter(([connection]) => connection !== one.from)
          } else if (one.tag === "loaded" || one.tag === "failed") {
            const load = pick(loads)
            if (load === undefined) continue
            loads = loads.filter((other) => other !== load)
            const [swarm, piece] = load
            const id = swarms[swarm as 0 | 1].id
            if (one.tag === "failed") uploader.pieceLoadFailed(id, piece)
            else uploader.pieceLoaded({ swarm: id, piece, ...loadedBytes }, context.now)
          } else if (one.tag === "sent") {
            const send = pick(out)
            if (send === undefined) continue
            out = out.filter((other) => other !== send)
            answered(...send)
            uploader.pieceSent(send[0], swarms[(send[0] % 2) as 0 | 1].id, send[1], context.now)
          } else context.wakeUntil(context.now + 700)
          for (const output of context.take()) {
            if (output.tag === "LoadPiece") {
              const swarm = output.swarm === swarms[0].id ? 0 : 1
              expect(loads.some(([other, piece]) => other === swarm && piece === output.piece)).toBe(false)
              loads.push([swarm, output.piece])
            } else if (output.tag === "Send" && output.message.tag === "Piece") {
              out.push([output.connection, output.message.piece])
            } else if (output.tag === "Send" && output.message.tag === "Reject") {
              answered(output.connection, output.message.piece)
            }
          }
          expect(uploader.queued).toBeLessThanOrEqual(rules.maxUploadQueue + 1)
          expect(uploader.queued + uploader.stalled).toBe(owed.size)
          expect(uploader.queuedBytes).toBe(1000 * owed.size)
          expect(uploader.queuedBytes).toBeLessThanOrEqual(rules.maxUploadBytes)
        }
        // What is still owed goes out once loads and sends are answered.
        for (let round = 0; owed.size > 0 && round < 50; round++) {
          const [load] = loads
          const [send] = out
          if (send !== undefined) {
            out = out.slice(1)
            answered(...send)
            uploader.pieceSent(send[0], swarms[(send[0] % 2) as 0 | 1].id, send[1], context.now)
          } else if (load !== undefined) {
            loads = loads.slice(1)
            const [swarm, piece] = load
            uploader.pieceLoaded({ swarm: swarms[swarm as 0 | 1].id, piece, ...loadedBytes }, context.now)
          }
          for (const output of context.take()) {
            if (output.tag === "LoadPiece") loads.push([output.swarm === swarms[0].id ? 0 : 1, output.piece])
            else if (output.tag === "Send" && output.message.tag === "Piece") {
              out.push([output.connection, output.message.piece])
            }
          }
        }
        expect(owed.size).toBe(0)
        expect(counts(uploader)).toEqual([0, 0, 0])
      })
    )
  })
})
