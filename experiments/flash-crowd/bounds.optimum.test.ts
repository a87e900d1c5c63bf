// Compares the bounds with the best schedules: at tiny sizes every schedule is tried, and none is faster. Hosts send
// and receive whole pieces, one at a time on equal links; blobs may be on different sources, and pieces differ in
// length. On unequal links a host sends and receives as many unit pieces per step as its links carry.

import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { countingSlots, fluidBound, imageBound } from "./bounds.ts"

/** All lists with one element of each of the choices, in their order. */
const combinations = <A>(choices: ReadonlyArray<ReadonlyArray<A>>): ReadonlyArray<ReadonlyArray<A>> =>
  choices.reduce<ReadonlyArray<ReadonlyArray<A>>>(
    (lists, next) => lists.flatMap((list) => next.map((choice) => [...list, choice])),
    [[]]
  )

/** Number of steps of the shortest path from `start` to a state that is `done`; it tries all paths. */
const fewestSteps = <State>(
  start: State,
  done: (state: State) => boolean,
  next: (state: State) => Iterable<State>
): number => {
  let level = new Map([[JSON.stringify(start), start]])
  const seen = new Set(level.keys())
  for (let steps = 0; ; steps++) {
    if ([...level.values()].some(done)) return steps
    const following = new Map<string, State>()
    for (const state of level.values()) {
      for (const reached of next(state)) {
        const key = JSON.stringify(reached)
        if (seen.has(key)) continue
        seen.add(key)
        following.set(key, reached)
      }
    }
    level = following
  }
}

/** What a receiver holds, as bits, and what it receives: piece, sender, remaining steps; -1 for nothing. */
type Taking = readonly [holds: number, piece: number, sender: number, left: number]

interface Image {
  readonly receivers: number
  /** Pieces that each source holds, as bits. */
  readonly sources: ReadonlyArray<number>
  /** Steps that each piece takes at link rate. */
  readonly lengths: ReadonlyArray<number>
}

const equalLinksOptimum = ({ receivers, sources, lengths }: Image): number => {
  const all = (1 << lengths.length) - 1
  const idle: Taking = [0, -1, -1, 0]
  const step = function* (state: ReadonlyArray<Taking>): Iterable<ReadonlyArray<Taking>> {
    const holds = [...sources, ...state.map(([held]) => held)]
    const choices = state.map((taking): ReadonlyArray<Taking> => {
      if (taking[1] !== -1) return [taking]
      const starts = holds.flatMap((held, sender) =>
        lengths.flatMap(
          (length, piece): ReadonlyArray<Taking> =>
            ((held & ~taking[0]) >> piece) & 1 ? [[taking[0], piece, sender, length]] : []
        )
      )
      return [taking, ...starts]
    })
    for (const chosen of combinations(choices)) {
      const senders = chosen.filter(([, piece]) => piece !== -1).map(([, , sender]) => sender)
      if (new Set(senders).size < senders.length) continue
      yield chosen.map(([held, piece, sender, left]): Taking => {
        if (piece === -1) return [held, -1, -1, 0]
        return left > 1 ? [held, piece, sender, left - 1] : [held | (1 << piece), -1, -1, 0]
      })
    }
  }
  const start: ReadonlyArray<Taking> = Array.from({ length: receivers }, () => idle)
  return fewestSteps(start, (state) => state.every(([held]) => held === all), step)
}

/** Every piece is on a source, and every source has a piece. */
const sourcesOfPieces = (pieces: number, sources: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc
    .array(fc.integer({ min: 1, max: (1 << pieces) - 1 }), { minLength: sources, maxLength: sources })
    .filter((held) => held.reduce((all, bits) => all | bits, 0) === (1 << pieces) - 1)

describe("the best schedule of all", () => {
  it("meets the counting bound exactly when one source has everything", () => {
    for (const receivers of [1, 2, 3]) {
      for (const pieces of [1, 2, 3]) {
        const lengths = Array.from({ length: pieces }, () => 1)
        const optimum = equalLinksOptimum({ receivers, sources: [(1 << pieces) - 1], lengths })
        assert.strictEqual(optimum, countingSlots(receivers, 1, pieces), `${receivers} x ${pieces}`)
      }
    }
  })

  it("does not beat the bound of an image whose blobs are on different sources, in pieces of any lengths", () => {
    const images = fc.record({
      pieces: fc.integer({ min: 1, max: 3 }),
      sources: fc.integer({ min: 1, max: 2 })
    })
    const image = images.chain(({ pieces, sources }) =>
      fc.record({
        receivers: fc.integer({ min: 1, max: 3 }),
        sources: sourcesOfPieces(pieces, sources),
        lengths: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: pieces, maxLength: pieces })
      })
    )
    fc.assert(
      fc.property(image, (tried) => {
        const bound = imageBound({
          // Each piece is a blob of its own here, so that owners differ as much as possible.
          blobs: tried.lengths.map((length) => ({ length, pieceLength: length })),
          receivers: tried.receivers,
          sources: tried.sources.length,
          rate: 1,
          latency: 0
        })
        assert.isAtLeast(equalLinksOptimum(tried), bound)
      }),
      { numRuns: 60 }
    )
  })

  it("does not beat the fluid bound on unequal links", () => {
    const rate = fc.integer({ min: 1, max: 3 })
    const crowd = fc.record({
      uplink: rate,
      receivers: fc.array(fc.record({ up: rate, down: rate }), { minLength: 1, maxLength: 2 }),
      pieces: fc.integer({ min: 1, max: 3 })
    })
    fc.assert(
      fc.property(crowd, ({ uplink, receivers, pieces }) => {
        const bound = fluidBound({
          bytes: pieces,
          receivers: receivers.length,
          sources: 1,
          slowestDownlink: Math.min(...receivers.map(({ down }) => down)),
          sourcesUplink: uplink,
          receiversUplink: receivers.reduce((sum, { up }) => sum + up, 0)
        })
        assert.isAtLeast(unequalLinksOptimum(uplink, receivers, pieces), bound)
      })
    )
  })
})

const unequalLinksOptimum = (
  uplink: number,
  receivers: ReadonlyArray<{ readonly up: number; readonly down: number }>,
  pieces: number
): number => {
  const all = (1 << pieces) - 1
  const uplinks = [uplink, ...receivers.map(({ up }) => up)]
  const wishes = receivers.flatMap((_, receiver) =>
    Array.from({ length: pieces }, (_, piece) => ({ receiver, piece }))
  )
  const step = function* (held: ReadonlyArray<number>): Iterable<ReadonlyArray<number>> {
    const holds = [all, ...held]
    // A sender for each piece that a receiver misses, or -1.
    const choices = wishes.map(({ receiver, piece }) =>
      (held[receiver]! >> piece) & 1
        ? [-1]
        : [-1, ...holds.keys()].filter((sender) => sender === -1 || (holds[sender]! >> piece) & 1)
    )
    for (const chosen of combinations(choices)) {
      const sent = uplinks.map((_, sender) => chosen.filter((by) => by === sender).length)
      if (sent.some((count, sender) => count > uplinks[sender]!)) continue
      const after = held.map(
        (bits, receiver) =>
          bits |
          wishes.reduce(
            (got, wish, index) =>
              wish.receiver === receiver && chosen[index] !== -1 ? got | (1 << wish.piece) : got,
            0
          )
      )
      const taken = receivers.map(
        (_, receiver) =>
          wishes.filter((wish, index) => wish.receiver === receiver && chosen[index] !== -1).length
      )
      if (taken.every((count, receiver) => count <= receivers[receiver]!.down)) yield after
    }
  }
  return fewestSteps(
    receivers.map(() => 0),
    (held) => held.every((bits) => bits === all),
    step
  )
}
